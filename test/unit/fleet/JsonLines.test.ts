import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { JsonRun } from "../../../adapters/cli/JsonRun.ts"
import { JsonLines } from "../../../adapters/fleet/JsonLines.ts"
import { ContainerStopped } from "../../../src/executor/ExecutorErrors.ts"
import type { FleetEvent, TaskResult } from "../../../src/fleet/FleetEvent.ts"
import type { RunEvent } from "../../../src/Run.ts"
import {
  chosen,
  chunksOf,
  ended,
  exited,
  failed,
  integer,
  output,
  skipped,
  started,
  stderr,
  stdout,
  task
} from "./Fixtures.ts"

const web = task("web.2@node-1")
const agent = task("agent@node-2")
/** The error of `failed("c")`. */
const stopped = new ContainerStopped({ container: "c" })

const split = (text: string): ReadonlyArray<string> => text.split("\n").slice(0, -1)

const linesOf = (events: ReadonlyArray<FleetEvent>, now?: () => number): ReadonlyArray<string> => {
  const json = new JsonLines(now)
  return split(events.map((event) => json.push(event)).join(""))
}

/** The last line of a fan-out with these results. */
const lastOf = (exitCode: number, results: ReadonlyArray<TaskResult>): string => {
  const json = new JsonLines()
  json.push(chosen(results.map(() => web)))
  for (const result of results) json.push(ended(web, result))
  return json.finish(exitCode).trimEnd()
}

const Data = Schema.fromJsonString(
  Schema.Struct({
    event: Schema.String,
    data: Schema.optionalKey(Schema.String),
    dataBase64: Schema.optionalKey(Schema.String)
  })
)

/** The bytes of a stream, from the documents. */
const bytesOf = (event: string, lines: ReadonlyArray<string>): Buffer =>
  Buffer.concat(
    lines
      .map((line) => Schema.decodeUnknownSync(Data)(line))
      .filter((document) => document.event === event)
      .map(({ data, dataBase64 }) => Buffer.from(data ?? dataBase64 ?? "", data === undefined ? "base64" : "utf8"))
  )

describe("JSON lines", () => {
  it("are one document per event", () => {
    const events: ReadonlyArray<FleetEvent> = [
      chosen([web, agent]),
      started(web),
      stdout(web, "one\ntwo"),
      stderr(web, "€\n"),
      ended(web, exited(3)),
      ended(agent, failed("c"))
    ]
    assert.deepStrictEqual(linesOf(events), [
      '{"event":"chosen","tasks":[' +
        '{"task":"web.2","node":"node-1","id":"id of web.2@node-1","service":"web","container":"container of web.2@node-1"},' +
        '{"task":"agent@node-2","node":"node-2","id":"id of agent@node-2","service":"agent","container":"container of agent@node-2"}]}',
      '{"event":"started","task":"web.2","node":"node-1"}',
      '{"event":"stdout","task":"web.2","node":"node-1","data":"one\\ntwo"}',
      '{"event":"stderr","task":"web.2","node":"node-1","data":"€\\n"}',
      '{"event":"ended","task":"web.2","node":"node-1","result":"exited","exitCode":3,"source":"command"}',
      '{"event":"ended","task":"agent@node-2","node":"node-2","result":"failed","exitCode":125,"source":"task-exec",' +
        `"error":"ContainerStopped","message":${JSON.stringify(stopped.message)},"data":{"container":"c"}}`
    ])
  })

  it("end with the exit code and its source", () => {
    const detached = { _tag: "Detached" } as const
    const cases: ReadonlyArray<readonly [exitCode: number, results: ReadonlyArray<TaskResult>, source: string]> = [
      [0, [exited(0), exited(0)], "command"],
      [125, [exited(125), exited(3)], "command"],
      [125, [exited(3), failed("c")], "task-exec"],
      [125, [exited(125), failed("c")], "task-exec"],
      [125, [exited(0), skipped("deadline")], "task-exec"],
      [0, [detached], "task-exec"],
      [130, [exited(0)], "task-exec"],
      [0, [], "task-exec"]
    ]
    for (const [exitCode, results, source] of cases) {
      assert.strictEqual(
        lastOf(exitCode, results),
        `{"event":"finished","tasks":${results.length},"exitCode":${exitCode},"source":"${source}"}`
      )
    }
  })

  it("end with the error if the fan-out itself failed", () => {
    assert.strictEqual(
      new JsonLines().finish(125, stopped),
      '{"event":"finished","tasks":0,"exitCode":125,"source":"task-exec",' +
        `"error":"ContainerStopped","message":${JSON.stringify(stopped.message)},"data":{"container":"c"}}\n`
    )
  })

  it("of a single run are those of a fan-out with one task", () => {
    const resolved: RunEvent = { _tag: "Resolved", task: web, route: "local" }
    const run = new JsonRun(undefined)
    const events: ReadonlyArray<RunEvent> = [
      resolved,
      { _tag: "Started", execId: "e" },
      { _tag: "Stdout", data: Buffer.from("a") },
      { _tag: "Stderr", data: Buffer.from("b") },
      { _tag: "Exited", code: 125 }
    ]
    assert.deepStrictEqual(split(events.map((event) => run.push(event)).join("") + run.finish(125)), [
      ...linesOf([chosen([web]), started(web), stdout(web, "a"), stderr(web, "b"), ended(web, exited(125))]),
      lastOf(125, [exited(125)])
    ])
    const failing = new JsonRun(undefined)
    failing.push(resolved)
    assert.deepStrictEqual(split(failing.fail(125, stopped)), [
      ...linesOf([ended(web, failed("c"))]),
      '{"event":"finished","tasks":1,"exitCode":125,"source":"task-exec",' +
        `"error":"ContainerStopped","message":${JSON.stringify(stopped.message)},"data":{"container":"c"}}`
    ])
    assert.lengthOf(split(new JsonRun(undefined).fail(125, stopped)), 1, "no task was found")
  })

  it("name detached commands, and tasks that were not started", () => {
    assert.deepStrictEqual(linesOf([ended(web, { _tag: "Detached" }), ended(web, skipped("deadline"))]), [
      '{"event":"ended","task":"web.2","node":"node-1","result":"detached","exitCode":0,"source":"task-exec"}',
      '{"event":"ended","task":"web.2","node":"node-1","result":"skipped","exitCode":125,"source":"task-exec","reason":"deadline"}'
    ])
  })

  it("have times if there is a clock", () => {
    assert.deepStrictEqual(
      linesOf([started(web)], () => 0),
      ['{"time":"1970-01-01T00:00:00.000Z","event":"started","task":"web.2","node":"node-1"}']
    )
  })

  it("join a split character, on each stream of each task", () => {
    const [first, second] = [Buffer.from([0xe2, 0x82]), Buffer.from([0xac])]
    const events = [web, agent].flatMap((of) => [
      stdout(of, first),
      stderr(of, Buffer.concat([Buffer.from("a"), first]))
    ])
    const rest = [web, agent].flatMap((of) => [stdout(of, second), stderr(of, second), ended(of)])
    const lines = linesOf([...events, ...rest])
    assert.deepStrictEqual(
      lines.map((line) => /"(data[^"]*)":"([^"]*)"/.exec(line)?.slice(1).join(" ")),
      ["data a", "data a", "data €", "data €", undefined, "data €", "data €", undefined]
    )
  })

  it("have bytes that are not UTF-8, or end within a character, as base64", () => {
    const lines = linesOf([
      stdout(web, Buffer.from([0xff, 0x0a])),
      stdout(web, "\uFEFFtext\0"),
      stdout(web, Buffer.from([0xf0, 0x9f])),
      ended(web)
    ])
    assert.deepStrictEqual(lines.slice(0, 3), [
      '{"event":"stdout","task":"web.2","node":"node-1","dataBase64":"/wo="}',
      '{"event":"stdout","task":"web.2","node":"node-1","data":"\\ufefftext\\u0000"}',
      '{"event":"stdout","task":"web.2","node":"node-1","dataBase64":"8J8="}'
    ])
  })

  it.prop(
    "have all bytes of both streams, wherever they were split",
    [output, output, integer(1, 9)],
    ([out, err, size]) => {
      const lines = linesOf([
        ...chunksOf(out, size).map((data) => stdout(web, data)),
        ...chunksOf(err, size).map((data) => stderr(web, data)),
        ended(web)
      ])
      assert.deepStrictEqual(bytesOf("stdout", lines), out)
      assert.deepStrictEqual(bytesOf("stderr", lines), err)
    }
  )
})
