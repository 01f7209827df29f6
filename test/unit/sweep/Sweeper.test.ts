import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { EngineError, EngineUnreachable } from "../../../src/engine/EngineErrors.ts"
import type { ServiceSpec } from "../../../src/engine/RequestBodies.ts"
import { Swarm, type SwarmShape } from "../../../src/engine/Swarm.ts"
import type { Task } from "../../../src/engine/SwarmSchemas.ts"
import { reportLines } from "../../../src/sweep/ReportReader.ts"
import { type NodeResult, sweepNodes } from "../../../src/sweep/Sweeper.ts"
import { taskOn } from "../engine/Tasks.ts"

const record = (node: string, line: string): Uint8Array => {
  const text = Buffer.from(`com.docker.swarm.node.id=${node} ${line}`)
  const header = Buffer.alloc(8)
  header.writeUInt8(1, 0)
  header.writeUInt32BE(text.length, 4)
  return Buffer.concat([header, text])
}

const report = (node: string) => {
  const findings = { leftovers: [], unreadable: [], alive: [] }
  const lines = reportLines(node.charCodeAt(0), { node, result: { _tag: "Swept", findings } })
    .split("\n")
    .slice(0, -1)
  return Buffer.concat(lines.map((line) => record(node, `${line}\n`)))
}

const task = (node: string, state: string, Message = ""): Task => taskOn(node, `task-${node}`, state, { Message })

const broken = new EngineUnreachable({ host: "h", operation: "read the log", reason: "Lost", detail: "it broke" })
const notFound = new EngineError({ host: "h", operation: "remove it", status: 404, text: "no such thing" })

/** Sweeps the nodes `a` and `b`, with this number of reads of the service's log. Returns the answers and the requests in order. */
const swept = Effect.fnUntraced(function* (
  tasks: ReadonlyArray<Task>,
  logs: ReadonlyArray<Stream.Stream<Uint8Array, EngineUnreachable>>,
  more: Partial<SwarmShape> = {}
) {
  const left = [...logs]
  const calls: Array<string> = []
  const specs: Array<ServiceSpec> = []
  const call = (name: string) => Effect.sync(() => void calls.push(name))
  const engine = Layer.mock(Swarm)({
    host: "h",
    createSecret: () => Effect.as(call("create secret"), "secret"),
    createService: (spec) =>
      Effect.as(
        Effect.andThen(
          call("create service"),
          Effect.sync(() => specs.push(spec))
        ),
        { id: "service", warnings: [] }
      ),
    removeSecret: () => call("remove secret"),
    removeService: () => call("remove service"),
    listTasks: () => Effect.succeed(tasks),
    serviceLogs: () => Effect.sync(() => left.shift() ?? Stream.never),
    ...more
  })
  const fiber = yield* sweepNodes({
    dryRun: false,
    selection: { _tag: "PastDeadline", now: 0 },
    image: "image",
    connectedNode: "here",
    nodes: [
      { id: "a", hostname: "host-a" },
      { id: "b", hostname: "host-b" }
    ],
    services: [],
    timeout: 30_000
  }).pipe(Effect.provide(engine), Effect.result, Effect.forkChild)
  yield* TestClock.adjust("2 minutes")
  return { result: yield* Fiber.join(fiber), calls, specs }
})

const described = (answers: ReadonlyArray<NodeResult>) =>
  answers.map((answer) => `${answer.node.hostname}: ${answer._tag === "Swept" ? "swept" : answer.reason}`)

const everything = ["create secret", "create service", "remove service", "remove secret"]
const both = [task("a", "complete"), task("b", "running")]

describe("Sweeper", () => {
  it.effect("reads the log again until every node has reported", () =>
    Effect.gen(function* () {
      const { calls, result, specs } = yield* swept(both, [
        Stream.concat(Stream.make(report("a").subarray(0, 50)), Stream.fail(broken)),
        Stream.make(Buffer.from("no record of the engine")),
        Stream.concat(Stream.make(report("a")), Stream.never),
        Stream.make(report("a"), report("b"))
      ])
      assert(result._tag === "Success")
      assert.deepStrictEqual(described(result.success), ["host-a: swept", "host-b: swept"])
      assert.deepStrictEqual(calls, everything)
      const template = specs[0]?.TaskTemplate
      assert.deepStrictEqual(template?.ContainerSpec.CapabilityDrop, ["ALL"])
      assert.include(template?.Placement?.Constraints ?? [], "node.id!=here")
    })
  )

  it.effect("reports nodes without a report with Swarm's reason, and counts the others", () =>
    Effect.gen(function* () {
      const tasks = [task("a", "rejected", "no such image"), task("b", "running")]
      const { calls, result } = yield* swept(tasks, [Stream.make(report("b"))])
      assert(result._tag === "Success")
      assert.deepStrictEqual(described(result.success), [
        "host-a: it cannot start a sweeper (rejected: no such image; image image)",
        "host-b: swept"
      ])
      assert.deepStrictEqual(calls, everything)
    })
  )

  it.effect("does not wait for a sweeper that ended without a report", () =>
    Effect.gen(function* () {
      const tasks = [task("a", "failed", "exit 2"), task("b", "preparing", "pulling")]
      const { result } = yield* swept(tasks, [])
      assert(result._tag === "Success")
      assert.deepStrictEqual(described(result.success), [
        "host-a: its sweeper sent no report (failed: exit 2; image image)",
        "host-b: no report within 30 s (its sweeper: preparing: pulling; image image)"
      ])
    })
  )

  it.effect("removes its service even if the engine was unreachable and the answers are lost", () =>
    Effect.gen(function* () {
      const { calls, result } = yield* swept([], [], { listTasks: () => Effect.fail(broken) })
      assert(result._tag === "Success")
      assert.deepStrictEqual(described(result.success), [
        `host-a: no report within 30 s (${broken.summary})`,
        `host-b: no report within 30 s (${broken.summary})`
      ])
      assert.deepStrictEqual(calls, everything)
    })
  )

  it.effect("removes a service whose creation got no response", () =>
    Effect.gen(function* () {
      const { calls, result } = yield* swept([], [], {
        createService: () => Effect.fail(broken),
        removeSecret: () => Effect.fail(notFound)
      })
      assert.strictEqual(result._tag, "Failure")
      assert.deepStrictEqual(calls, ["create secret", "remove service"])
    })
  )
})
