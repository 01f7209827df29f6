import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { awaitNotice, findNotice, noticeLine, readNotice } from "../../../src/agent/AgentLog.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"

/** A record of the engine's stream. */
const record = (text: string, stream = 1): Buffer => {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}
const details = (node: string, task: string, more = "") =>
  `com.docker.swarm.node.id=${node},com.docker.swarm.service.id=s1,com.docker.swarm.task.id=${task}${more}`

const origin = { node: "n1", task: "t1" }
const key = "k".repeat(43)
const forged = "f".repeat(43)
const line = (isRetired = false, of = key) => noticeLine({ key: of, isRetired })
const find = (...records: ReadonlyArray<Buffer>) => findNotice(Buffer.concat(records), origin)

describe("the key in an agent's log", () => {
  it("is found among other lines; the last notice says whether the agent accepts callers", () => {
    const own = details("n1", "t1")
    assert.deepStrictEqual(find(record(`${own} hello\n`), record(`${own} ${line()}`), record(`${own} {}\n`)), {
      key,
      isRetired: false
    })
    assert.deepStrictEqual(find(record(`${own} ${line()}`), record(`${own} ${line(true)}`)), { key, isRetired: true })
    assert.isUndefined(find(record(`${own} hello\n`)))
    assert.isUndefined(find())
  })

  it("counts only with the ID of the agent's node and task", () => {
    assert.isUndefined(find(record(`${details("n2", "t1")} ${line(false, forged)}`)))
    assert.isUndefined(find(record(`${details("n1", "t2")} ${line(false, forged)}`)))
    assert.isUndefined(find(record(`${details("n2", "t1", ",com.docker.swarm.node.id=n1")} ${line(false, forged)}`)))
    assert.isUndefined(find(record(`${details("n1", "t1", ",com.docker.swarm.node.id=n2")} ${line(false, forged)}`)))
  })

  it("cannot be forged by the text or the label of a line", () => {
    const other = details("n2", "t1")
    const own = `${details("n1", "t1")} ${line(false, forged)}`
    assert.isUndefined(find(record(`${other} x\n${own}`)))
    assert.isUndefined(find(record(own.trim(), 3)))
    assert.isUndefined(find(record(`${details("n1", "t1")} x ${line(false, forged)}`)))
    assert.isUndefined(find(record(`${details("n1", "t1")} x\n${line(false, forged)}`)))
    assert.isUndefined(
      find(record(`a=${encodeURIComponent(` ${details("n1", "t1")}`)},${other} ${line(false, forged)}`))
    )
  })

  it.prop("is never read from a record of another node", [Schema.String, Schema.String], ([before, after]) => {
    assert.isUndefined(find(record(`${details("n2", "t1")} ${before}${line(false, forged)}${after}`)))
    assert.isUndefined(find(record(`${details("n2", "t1")} ${before}\n${details("n1", "t1")} ${line(false, forged)}`)))
  })
})

describe("a wait for the key", () => {
  it.effect("continues if a read of the log does not end, and if the key is missing", () =>
    Effect.gen(function* () {
      const log = Stream.make(record(`${details("n1", "t1")} ${line()}`))
      const readings = [Stream.never, Stream.empty, Stream.empty, Stream.never, log]
      let reads = 0
      const engine = Layer.mock(Swarm)({ host: "h", taskLogs: () => Effect.sync(() => readings[reads++] ?? log) })
      const waiting = yield* Effect.forkChild(Effect.provide(awaitNotice(origin), engine))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { key, isRetired: false })
      assert.strictEqual(reads, readings.length)
    })
  )

  it.effect("follows a log that the managers cannot read to its end", () =>
    Effect.gen(function* () {
      // The message of engine 20.10 about a node that was unreachable for 20 s.
      const reason = "warning: incomplete log stream. some logs could not be retrieved: node n1 is not available\n"
      const cutShort = Stream.make(record(`Error grabbing logs: rpc error: code = Unknown desc = ${reason}`, 3))
      const own = details("n1", "t1")
      const notices = Stream.make(record(`${own} ${line()}`), record(`${own} ${line(true)}`))
      const engine = Layer.mock(Swarm)({
        host: "h",
        taskLogs: (_, { follow }) => Effect.succeed(follow ? Stream.concat(notices, Stream.never) : cutShort)
      })
      const reading = yield* Effect.forkChild(Effect.provide(readNotice(origin), engine))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(reading), { key, isRetired: true })
    })
  )
})
