import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { type Frame, FrameWriter } from "../../../src/carrier/Frame.ts"
import { receive } from "../../../src/carrier/ServiceLog.ts"
import { EngineError, EngineUnreachable } from "../../../src/engine/EngineErrors.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

const record = (line: string): Uint8Array => {
  const header = Buffer.alloc(8)
  header.writeUInt8(1, 0)
  header.writeUInt32BE(line.length, 4)
  return Buffer.concat([header, Buffer.from(line)])
}

const sent: ReadonlyArray<Frame> = [
  { _tag: "Hello", protocol: 1, version: "0" },
  { _tag: "Started", execId: "e" },
  ...Array.from({ length: 12 }, (_, at): Frame => ({ _tag: "Stdout", data: Buffer.from(`output ${at}`) })),
  { _tag: "Exited", code: 7 }
]
const writer = new FrameWriter(1)
const log = sent.map((frame) => record(writer.lines(frame)))

/** One read of the log: the bytes up to an offset, without some lines, and then its end. */
interface Reading {
  readonly bytes: number
  readonly lost: ReadonlyArray<number>
  readonly end: "hangs" | "ends" | "breaks"
}

const broken = new EngineUnreachable({ host: "h", operation: "read the log", reason: "Lost", detail: "it broke" })

const carrier = (reading: Reading, cut: number): Stream.Stream<Uint8Array, EngineUnreachable> => {
  const bytes = Buffer.concat(log.filter((_, at) => !reading.lost.includes(at)))
  const part = bytes.subarray(0, reading.bytes)
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < part.length; at += cut) chunks.push(part.subarray(at, at + cut))
  const end = { hangs: Stream.never, ends: Stream.empty, breaks: Stream.fail(broken) }[reading.end]
  return Stream.concat(Stream.fromIterable(chunks), end)
}

const complete: Reading = { bytes: Number.POSITIVE_INFINITY, lost: [], end: "ends" }

/** An engine whose service logs follow this script. Further reads are complete. */
const engine = (readings: ReadonlyArray<Reading>, cut: number, last: Reading = complete) => {
  const left = [...readings]
  return Layer.mock(Swarm)({
    host: "h",
    serviceLogs: (_, { follow }) =>
      Effect.sync(() => carrier(follow ? (left.shift() ?? { ...last, end: "hangs" }) : last, cut))
  })
}

/** Receives all frames. The sender ends after this number of seconds, and the consumer takes this time per frame. */
const received = (layer: Layer.Layer<Swarm>, endedAfter: number, slowness: number) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<void>()
    const fiber = yield* Effect.gen(function* () {
      const { frames, isComplete } = yield* receive({
        service: "s",
        commands: 1,
        running: Effect.void,
        ended: Deferred.await(ended)
      })
      const got: Array<Frame> = []
      yield* Stream.runForEach(frames, ({ frame }) =>
        Effect.andThen(
          Effect.sync(() => got.push(frame)),
          slowness === 0 ? Effect.void : Effect.sleep(slowness)
        )
      )
      return { got, complete: isComplete() }
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.forkChild)
    yield* TestClock.adjust(endedAfter * 1000)
    yield* Deferred.succeed(ended, undefined)
    yield* TestClock.adjust("10 minutes")
    return yield* Fiber.join(fiber)
  })

const same = ({ got, complete: isComplete }: { readonly got: ReadonlyArray<Frame>; readonly complete: boolean }) => {
  assert.isTrue(isComplete)
  assert.deepStrictEqual(
    got.map((frame) => ("data" in frame ? Buffer.from(frame.data).toString() : frame)),
    sent.map((frame) => ("data" in frame ? Buffer.from(frame.data).toString() : frame))
  )
}

const whole = log.reduce((bytes, line) => bytes + line.length, 0)
const reading = Arbitrary.map(
  Arbitrary.all([integer(0, whole), Arbitrary.array(integer(0, 14), { maxLength: 2 }), integer(0, 2)]),
  ([bytes, lost, end]): Reading => ({ bytes, lost, end: (["hangs", "ends", "breaks"] as const)[end] ?? "ends" })
)

describe("the frames of a service log", () => {
  it.effect.prop(
    "arrive once and in order, whatever the reads of the log return",
    [Arbitrary.array(reading, { maxLength: 5 }), integer(1, 400), integer(0, 20), integer(0, 1)],
    ([readings, cut, endedAfter, slow]) => Effect.map(received(engine(readings, cut), endedAfter, slow * 400), same)
  )

  it.effect("are followed again if the first follow missed the start", () =>
    Effect.map(received(engine([{ bytes: 0, lost: [], end: "hangs" }], 1000), 1000, 0), same)
  )

  it.effect("are followed once if the first lines come in time, however long the log is silent after them", () =>
    Effect.gen(function* () {
      const follows: Array<boolean> = []
      const first: Reading = {
        bytes: log.slice(0, 2).reduce((bytes, line) => bytes + line.length, 0),
        lost: [],
        end: "hangs"
      }
      const layer = Layer.mock(Swarm)({
        host: "h",
        serviceLogs: (_, { follow }) =>
          Effect.sync(() => {
            follows.push(follow)
            return carrier(follow ? first : complete, 100)
          })
      })
      same(yield* received(layer, 3600, 0))
      assert.deepStrictEqual(follows, [true, false])
    })
  )

  it.effect("are followed once more if the managers cannot read the log to its end", () =>
    Effect.gen(function* () {
      const text = Buffer.from("Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream\n")
      const header = Buffer.from([3, 0, 0, 0, 0, 0, 0, text.length])
      const readings: Array<boolean> = []
      const layer = Layer.mock(Swarm)({
        host: "h",
        serviceLogs: (_, { follow }) =>
          Effect.sync(() => {
            readings.push(follow)
            // The second read has what the first one lacks.
            const bytes = readings.length === 1 ? 0 : Number.POSITIVE_INFINITY
            return follow ? carrier({ bytes, lost: [], end: "hangs" }, 100) : Stream.make(Buffer.concat([header, text]))
          })
      })
      same(yield* received(layer, 0, 0))
      assert.deepStrictEqual(readings, [true, false, true])
    })
  )

  it.effect("are incomplete without an end record", () =>
    Effect.gen(function* () {
      const last: Reading = { bytes: Number.POSITIVE_INFINITY, lost: [14], end: "ends" }
      const { got, complete: isComplete } = yield* received(engine([], 100, last), 1, 0)
      assert.isFalse(isComplete)
      assert.strictEqual(got.length, sent.length - 1)
    })
  )

  it.effect("end with their sender if the service was removed", () =>
    Effect.gen(function* () {
      const gone = new EngineError({ host: "h", operation: "read the log", status: 404, text: "not found" })
      const layer = Layer.mock(Swarm)({ host: "h", serviceLogs: () => Effect.fail(gone) })
      const { got, complete: isComplete } = yield* received(layer, 5, 0)
      assert.deepStrictEqual([got.length, isComplete], [0, false])
    })
  )
})
