import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import type { NodeReport } from "../../../src/sweep/NodeSweep.ts"
import { ReportReader, reportLines } from "../../../src/sweep/ReportReader.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

/** A report that needs several lines if it has many containers. */
const report = (node: string, containers: number): NodeReport => ({
  node,
  result: {
    _tag: "Swept",
    findings: {
      leftovers: Array.from({ length: containers }, (_, at) => ({
        kind: "container",
        id: `${node}-${at}`.repeat(9),
        name: `née-${at}`,
        node,
        runId: "r",
        role: "killer",
        deadline: at,
        creator: "host:1",
        removed: at % 2 === 0,
        ...(at % 2 === 0 ? {} : { error: "why" })
      })),
      unreadable: [{ kind: "container", id: "u", name: "u", node, detail: "no label" }],
      alive: []
    }
  }
})

/** A record of the log, with the managers' prefix. */
const record = (node: string, text: string, channel = 1): Uint8Array => {
  const ids = [`com.docker.swarm.node.id=${node}`, "com.docker.swarm.service.id=s", "com.docker.swarm.task.id=t"]
  const data = Buffer.from(`${ids.join(",")} ${text}`)
  const header = Buffer.alloc(8)
  header.writeUInt8(channel, 0)
  header.writeUInt32BE(data.length, 4)
  return Buffer.concat([header, data])
}

/** The log records of a node's report. */
const linesOf = (origin: number, sent: NodeReport, publisher = sent.node): ReadonlyArray<Uint8Array> =>
  reportLines(origin, sent)
    .split("\n")
    .slice(0, -1)
    .map((line) => record(publisher, `${line}\n`))

/** The lines of several senders, interleaved by the choices. Each sender's lines stay in order. */
const mix = (senders: ReadonlyArray<ReadonlyArray<Uint8Array>>, choices: ReadonlyArray<number>) => {
  const left = senders.map((lines) => [...lines])
  const mixed: Array<Uint8Array> = []
  for (let at = 0; left.some((lines) => lines.length > 0); at++) {
    const open = left.filter((lines) => lines.length > 0)
    const line = open[(choices[at % choices.length] ?? 0) % open.length]?.shift()
    if (line !== undefined) mixed.push(line)
  }
  return mixed
}

const readIn = (bytes: Uint8Array, cut: number) => {
  const reader = new ReportReader()
  const reports: Array<NodeReport> = []
  for (let at = 0; at < bytes.length; at += cut) reports.push(...reader.push(bytes.subarray(at, at + cut)))
  return reports
}

const byNode = (reports: ReadonlyArray<NodeReport>) => reports.toSorted((a, b) => (a.node < b.node ? -1 : 1))

const sent = [report("a", 200), report("b", 1), report("c", 90)]
const senders = sent.map((one, at) => linesOf(at, one))
const choices = Arbitrary.array(integer(0, 2), { minLength: 1, maxLength: 20 })

describe("ReportReader", () => {
  it.prop(
    "reads whole reports, however lines and bytes are mixed and split",
    [choices, integer(1, 9000)],
    ([by, cut]) => {
      const bytes = Buffer.concat(mix(senders, by))
      assert.deepStrictEqual(byNode(readIn(bytes, cut)), sent)
    }
  )

  it.prop("loses only the sender's report if a line is missing", [choices, integer(0, 1000)], ([by, at]) => {
    const mixed = mix(senders, by)
    const lost = at % mixed.length
    const whole = senders.map((lines) => !lines.some((line) => line === mixed[lost]))
    const bytes = Buffer.concat(mixed.filter((_, place) => place !== lost))
    assert.deepStrictEqual(
      byNode(readIn(bytes, 4096)),
      sent.filter((_, place) => whole[place])
    )
  })

  it("ignores other lines", () => {
    const noise = ["node warning\n", "AAAA\n", "\n", "x".repeat(100_000)].map((text) => record("a", text))
    noise.push(record("a", "on stderr\n", 2))
    const lines = linesOf(1, report("a", 3))
    assert.deepStrictEqual(readIn(Buffer.concat(noise.flatMap((one) => [one, ...lines])), 512), [report("a", 3)])
  })

  it("reads why a node could not look", () => {
    const failed: NodeReport = { node: "a", result: { _tag: "Failed", detail: "no socket" } }
    assert.deepStrictEqual(readIn(Buffer.concat(linesOf(1, failed)), 100), [failed])
  })

  it.prop(
    "accepts a report only for the node that sent it: not with another ID, a second ID, or inside of a record",
    [choices, integer(1, 9000)],
    ([by, cut]) => {
      const about = report("a", 2)
      const own = linesOf(5, report("b", 1))
      const within = reportLines(6, about)
        .split("\n")
        .map((line) => `com.docker.swarm.node.id=a ${line}`)
        .join("\n")
      const attribute = reportLines(7, about)
        .split("\n")
        .map((line) => record("b,com.docker.swarm.node.id=a", `${line}\n`))
      const forged = [linesOf(4, about, "b"), [record("b", within)], attribute]
      const bytes = Buffer.concat([...mix(forged, by), ...own])
      assert.deepStrictEqual(readIn(bytes, cut), [report("b", 1)])
    }
  )
})
