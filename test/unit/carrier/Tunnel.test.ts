import { randomBytes } from "node:crypto"
import { duplexPair } from "node:stream"
import { zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { Channel } from "../../../src/carrier/Channel.ts"
import { makeTunnel, type Tunnel } from "../../../src/carrier/Tunnel.ts"
import { encodeFrame, type TunnelFrame, TunnelFrameReader } from "../../../src/carrier/TunnelFrame.ts"
import { cutEvery, describeIncoming, settle } from "./Connections.ts"

const pair = Effect.gen(function* () {
  const [left, right] = duplexPair()
  return { left, right, near: yield* makeTunnel(left), far: yield* makeTunnel(right) }
})

describe("a tunnel", () => {
  it.effect("documents and bytes arrive in order, in both directions", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      yield* near.send("hello")
      yield* near.write("stdin", Buffer.from("a"))
      yield* near.end("stdin")
      yield* near.close
      yield* far.write("stdout", Buffer.from("b"))
      yield* far.write("stderr", Buffer.from("c"))
      yield* far.send("bye")
      yield* far.close
      const there = yield* Stream.runCollect(far.incoming)
      const here = yield* Stream.runCollect(near.incoming)
      assert.deepStrictEqual(there.map(describeIncoming), ["hello", "stdin a", "end of stdin"])
      assert.deepStrictEqual(here.map(describeIncoming), ["stdout b", "stderr c", "bye"])
    })
  )

  it.effect("a stream without a reader stops after 1 MiB, and other streams continue", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      const mebibyte = 1024 * 1024
      let arrived = 0
      const other: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(near.incoming, (incoming) =>
          Effect.sync(() => {
            if (incoming._tag === "Data" && incoming.stream === "stdout") arrived += incoming.data.length
            else other.push(describeIncoming(incoming))
          })
        )
      )
      const writing = yield* Effect.forkChild(far.write("stdout", Buffer.alloc(3 * mebibyte)))
      yield* settle
      assert.strictEqual(arrived, mebibyte)
      yield* far.write("stderr", Buffer.from("still here"))
      yield* far.send("a document")
      yield* settle
      assert.deepStrictEqual(other, ["stderr still here", "a document"])
      yield* near.consumed("stdout", mebibyte)
      yield* settle
      assert.strictEqual(arrived, 2 * mebibyte)
      yield* near.consumed("stdout", mebibyte)
      yield* Fiber.join(writing)
      yield* settle
      assert.strictEqual(arrived, 3 * mebibyte)
    })
  )

  it.effect("channels are independent: streams, credit, documents and end", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      const [one, two] = [near.channel(1), near.channel(2)]
      const [farOne, farTwo] = [far.channel(1), far.channel(2)]
      const blocked = yield* Effect.forkChild(farOne.write("stdout", Buffer.alloc(1024 * 1024)))
      yield* farTwo.write("stdout", Buffer.from("two"))
      yield* farTwo.send("a document")
      yield* farTwo.close
      yield* far.send("of the connection itself")
      assert.deepStrictEqual((yield* Stream.runCollect(two.incoming)).map(describeIncoming), [
        "stdout two",
        "a document"
      ])
      // A side that accepts nothing more receives nothing more, and the other channels continue.
      yield* one.close
      yield* Fiber.interrupt(blocked)
      yield* farOne.write("stderr", Buffer.from("to nobody"))
      yield* far.close
      assert.deepStrictEqual((yield* Stream.runCollect(near.incoming)).map(describeIncoming), [
        "of the connection itself"
      ])
      assert.deepStrictEqual(yield* Stream.runCollect(near.channel(3).incoming), [])
    })
  )

  it.effect("a channel's number is free again when both sides have closed the channel", () =>
    Effect.gen(function* () {
      const [left, right] = duplexPair()
      const accepted: Array<Channel> = []
      const numbers: Array<number> = []
      const near = yield* makeTunnel(left)
      yield* makeTunnel(right, { accept: (channel) => accepted.push(channel) })
      const reader = new TunnelFrameReader()
      right.prependListener("data", (chunk: Uint8Array) => {
        for (const { _tag, channel } of reader.push(chunk)) if (_tag === "Document") numbers.push(channel)
      })
      const opened = Effect.tap(near.open, ({ send }) => send("hello"))
      const first = yield* opened
      yield* first.close
      // The other side may still send on channel 1.
      yield* opened
      yield* settle
      assert.deepStrictEqual(numbers, [1, 2])
      yield* accepted[0]?.close ?? Effect.die("no channel")
      yield* settle
      const third = yield* opened
      yield* settle
      assert.deepStrictEqual(numbers, [1, 2, 1])
      // Late data of the first channel with this number does not reach the third one.
      yield* first.send("late")
      yield* accepted[0]?.write("stdout", Buffer.from("late")) ?? Effect.void
      yield* accepted[2]?.write("stdout", Buffer.from("third")) ?? Effect.die("no channel")
      yield* accepted[2]?.close ?? Effect.void
      assert.deepStrictEqual((yield* Stream.runCollect(third.incoming)).map(describeIncoming), ["stdout third"])
      assert.strictEqual(accepted.length, 3)
    })
  )

  it.effect.prop(
    "each stream keeps its bytes, packed or not, over any channels, split anywhere",
    [
      Arbitrary.array(
        Arbitrary.schema(
          Schema.Struct({
            channel: Schema.Literals([0, 1, 2]),
            stream: Schema.Literals(["stdout", "stderr"]),
            kind: Schema.Literals(["text", "random"]),
            size: Schema.Literals([1, 1000, 1024, 5000, 70_000, 300_000])
          })
        ),
        { maxLength: 12 }
      ),
      Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 100, maximum: 100_000 }))))
    ],
    ([writes, cut]) =>
      Effect.gen(function* () {
        const [left, right] = cutEvery(cut)
        const [near, far] = [
          yield* makeTunnel(left, { channels: [1, 2] }),
          yield* makeTunnel(right, { channels: [1, 2] })
        ]
        const ends = (tunnel: Tunnel) => [tunnel, tunnel.channel(1), tunnel.channel(2)] as const
        const sent = new Map<string, Array<Uint8Array>>()
        const got = new Map<string, Array<Uint8Array>>()
        const add = (to: typeof sent, channel: number, stream: string, data: Uint8Array) => {
          const name = `${channel} ${stream}`
          to.set(name, [...(to.get(name) ?? []), data])
        }
        const readers = ends(near).map((channel, index) =>
          Stream.runForEach(channel.incoming, (incoming) => {
            if (incoming._tag !== "Data") return Effect.void
            add(got, index, incoming.stream, incoming.data)
            return channel.consumed(incoming.stream, incoming.data.length)
          })
        )
        const reading = yield* Effect.forkChild(Effect.all(readers, { concurrency: "unbounded" }))
        const out = ends(far)
        yield* Effect.forEach(
          ["stdout", "stderr"] as const,
          (name) =>
            Effect.forEach(
              writes.filter(({ stream }) => stream === name),
              ({ channel, kind, size, stream }) => {
                const data = kind === "text" ? Buffer.alloc(size, "all work and no play\n") : randomBytes(size)
                add(sent, channel, stream, data)
                return out[channel].write(stream, data)
              }
            ),
          { concurrency: "unbounded" }
        )
        yield* far.close
        yield* Fiber.join(reading)
        const joined = (all: typeof sent) =>
          [...all].map(([name, data]) => `${name} ${Buffer.concat(data).toString("base64")}`).toSorted()
        assert.deepStrictEqual(joined(got), joined(sent))
      }),
    { arbitrary: { runs: 40 } }
  )

  it.effect("packed text counts with its unpacked size: its sender waits for credit for all of it", () =>
    Effect.gen(function* () {
      const { far, near, right } = yield* pair
      const mebibyte = 1024 * 1024
      let travelled = 0
      right.on("data", () => undefined)
      const write = right.write.bind(right)
      right.write = (chunk: Uint8Array) => {
        travelled += chunk.length
        return write(chunk)
      }
      let arrived = 0
      yield* Effect.forkScoped(
        Stream.runForEach(near.incoming, (incoming) =>
          Effect.sync(() => {
            if (incoming._tag === "Data") arrived += incoming.data.length
          })
        )
      )
      const writing = yield* Effect.forkChild(far.write("stdout", Buffer.alloc(2 * mebibyte, "all work and no play\n")))
      yield* settle
      assert.strictEqual(arrived, mebibyte)
      assert.isUndefined(writing.pollUnsafe())
      yield* near.consumed("stdout", mebibyte)
      yield* Fiber.join(writing)
      yield* settle
      assert.strictEqual(arrived, 2 * mebibyte)
      assert.isBelow(travelled, mebibyte / 10)
    })
  )

  const block = Buffer.alloc(10_000, "all work and no play\n")
  it.effect.each([
    ["that is damaged", 10_000, randomBytes(1000), /damaged block of stdout/],
    ["of other bytes than it says", 9_999, zstdCompressSync(block), /damaged block of stdout/],
    ["of fewer bytes than it says", 10_001, zstdCompressSync(block), /damaged block of stdout/],
    ["of no bytes", 0, zstdCompressSync(Buffer.alloc(0)), /damaged block of stdout/],
    ["that swells", 300_000, zstdCompressSync(Buffer.alloc(300_000)), /damaged block of stdout/],
    ["of more bytes than the sender has credit for", 2 ** 21, zstdCompressSync(block), /stdout exceeds its buffer/]
  ] as const)("a block %s ends the connection", ([, bytes, data, message]) =>
    Effect.gen(function* () {
      const [left, right] = duplexPair()
      right.on("error", () => undefined).resume()
      const near = yield* makeTunnel(left)
      for (const part of encodeFrame({ _tag: "Packed", channel: 0, stream: "stdout", bytes, data })) right.write(part)
      const error = yield* Effect.flip(Stream.runDrain(near.incoming))
      assert.strictEqual(error._tag, "TunnelLost")
      assert.match(error.message, message)
    })
  )

  it.effect("the window of a stream that is read grows, and a closed channel frees its share for others", () =>
    Effect.gen(function* () {
      const options = { channels: [1, 2], window: 1000, growth: { maxWindow: 4000, inTotal: 4000 } }
      const [left, right] = duplexPair()
      const near = yield* makeTunnel(left, options)
      const far = yield* makeTunnel(right, options)
      /** Reads a number of bytes, then lets the other side write until it waits. Returns how many bytes that side wrote. */
      const creditAfter = Effect.fnUntraced(function* (id: number, bytes: number) {
        const [reads, writes] = [near.channel(id), far.channel(id)]
        yield* writes.write("stdout", Buffer.alloc(bytes))
        yield* reads.consumed("stdout", bytes)
        yield* settle
        let wrote = 0
        const writing = yield* Effect.forkChild(
          Effect.forever(
            Effect.tap(writes.write("stdout", Buffer.alloc(200)), () =>
              Effect.sync(() => {
                wrote += 200
              })
            )
          )
        )
        yield* Effect.repeat(settle, { times: 2 })
        yield* Fiber.interrupt(writing)
        return wrote
      })
      assert.strictEqual(yield* creditAfter(1, 400), 600)
      assert.strictEqual(yield* creditAfter(2, 500), 4000)
      const third = [near.channel(3), far.channel(3)] as const
      assert.strictEqual(yield* creditAfter(3, 500), 2000)
      yield* near.channel(2).close
      yield* third[0].consumed("stdout", 2000)
      yield* settle
      const filled = yield* Effect.forkChild(third[1].write("stdout", Buffer.alloc(4000)))
      yield* settle
      assert.isDefined(filled.pollUnsafe())
    })
  )

  it.effect("a sender that exceeds its credit is disconnected", () =>
    Effect.gen(function* () {
      const [left, right] = duplexPair()
      right.on("error", () => undefined).resume()
      const near = yield* makeTunnel(left)
      for (const _ of [1, 2]) {
        for (const bytes of encodeFrame({ _tag: "Data", channel: 0, stream: "stdin", data: Buffer.alloc(1024 * 1024) }))
          right.write(bytes)
      }
      const error = yield* Effect.flip(Stream.runDrain(near.incoming))
      assert.match(error.message, /stdin exceeds its buffer/)
    })
  )

  it.effect("a frame for a channel that is not open is a protocol error, and creates nothing", () =>
    Effect.gen(function* () {
      for (const _tag of ["Document", "Close"] as const) {
        const [left, right] = duplexPair()
        right.on("error", () => undefined).resume()
        const near = yield* makeTunnel(left)
        near.channel(1)
        for (const channel of [1, 2]) {
          const record = _tag === "Document" ? { _tag, text: "x" } : { _tag }
          for (const bytes of encodeFrame({ ...record, channel })) right.write(bytes)
        }
        const error = yield* Effect.flip(Stream.runDrain(near.incoming))
        assert.match(error.message, /channel 2, which is not open/)
      }
    })
  )

  it.effect("the channels that the other side uses first are open from the start", () =>
    Effect.gen(function* () {
      const [left, right] = duplexPair()
      const far = yield* makeTunnel(right)
      yield* far.channel(7).send("early")
      const near = yield* makeTunnel(left, { channels: [7] })
      yield* settle
      const first = yield* Stream.runHead(near.channel(7).incoming)
      assert.strictEqual(Option.isSome(first) && describeIncoming(first.value), "early")
    })
  )

  it.effect.prop(
    "unread documents and ends are limited to 4 MiB over all channels; then the connection is lost",
    [
      Arbitrary.schema(
        Schema.Array(
          Schema.Struct({
            channel: Schema.Literals([0, 1, 2]),
            size: Schema.Literals([0, 1, 5_000, 300_000, 1_000_000])
          })
        )
      )
    ],
    ([sent]) =>
      Effect.gen(function* () {
        const [left, right] = duplexPair()
        right.on("error", () => undefined).resume()
        const near = yield* makeTunnel(left, { channels: [1, 2] })
        // Often enough that the total exceeds the limit.
        const frames = [...sent, { channel: 0, size: 0 }].map(
          ({ channel, size }): TunnelFrame =>
            size === 0
              ? { _tag: "End", channel, stream: "stdin" }
              : { _tag: "Document", channel, text: "x".repeat(size) }
        )
        const mebibytes = 1024 * 1024
        let bytes = 0
        while (bytes < 8 * mebibytes) {
          for (const frame of frames) {
            for (const part of encodeFrame(frame)) right.write(part)
            bytes += 128 + (frame._tag === "Document" ? frame.text.length : 0)
          }
        }
        yield* settle
        const error = yield* Effect.flip(Stream.runDrain(near.incoming))
        assert.match(error.message, /the messages exceed their buffer/)
      }),
    { arbitrary: { runs: 20 } }
  )

  it.effect("documents that are read no longer count as buffered", () =>
    Effect.gen(function* () {
      const { far, near } = yield* pair
      const reading = yield* Effect.forkChild(Stream.runCount(near.incoming))
      for (let n = 0; n < 100; n++) {
        yield* far.send("x".repeat(200_000))
        yield* settle
      }
      yield* far.close
      assert.strictEqual(yield* Fiber.join(reading), 100)
    })
  )

  it.effect("invalid bytes are an error", () =>
    Effect.gen(function* () {
      const [left, right] = duplexPair()
      right.on("error", () => undefined).resume()
      const near = yield* makeTunnel(left)
      right.write("GET / HTTP/1.1\r\n\r\n")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(near.incoming)))._tag, "TunnelLost")
    })
  )

  it.effect("a side that awaits the first byte counts silence from then on", () =>
    Effect.gen(function* () {
      const [left, right] = duplexPair()
      right.on("error", () => undefined).resume()
      const near = yield* makeTunnel(left, { awaitsFirst: true })
      const lost = yield* Effect.forkChild(Effect.flip(Stream.runDrain(near.incoming)))
      yield* TestClock.adjust("10 minutes")
      yield* settle
      assert.isUndefined(lost.pollUnsafe())
      for (const bytes of encodeFrame({ _tag: "Ping", channel: 0 })) right.write(bytes)
      yield* settle
      yield* TestClock.adjust("25 seconds")
      assert.match((yield* Fiber.join(lost)).message, /no data for 15 s/)
    })
  )

  it.effect("ends after 15 seconds of silence; pings keep it open and are not delivered", () =>
    Effect.gen(function* () {
      const { near } = yield* pair
      const alive = yield* Effect.forkChild(Stream.runCollect(near.incoming))
      for (let second = 0; second < 60; second += 5) {
        yield* TestClock.adjust("5 seconds")
        yield* settle
      }
      assert.isUndefined(alive.pollUnsafe())

      const [left, right] = duplexPair()
      right.on("error", () => undefined).resume()
      const lonely = yield* makeTunnel(left)
      const lost = yield* Effect.forkChild(Effect.flip(Stream.runDrain(lonely.incoming)))
      // The new connection counts as one heartbeat.
      yield* TestClock.adjust("19 seconds")
      yield* settle
      assert.isUndefined(lost.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.match((yield* Fiber.join(lost)).message, /no data for 15 s/)
      assert.strictEqual((yield* Effect.flip(lonely.send("x")))._tag, "TunnelLost")
    })
  )

  it.effect("a lost connection fails writers that wait for credit", () =>
    Effect.gen(function* () {
      const { far, right } = yield* pair
      const writing = yield* Effect.forkChild(Effect.flip(far.write("stdout", Buffer.alloc(5 * 1024 * 1024))))
      yield* settle
      right.destroy()
      assert.strictEqual((yield* Fiber.join(writing))._tag, "TunnelLost")
    })
  )
})
