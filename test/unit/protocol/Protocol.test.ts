import { Buffer } from "node:buffer"
import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { Frame } from "../../../src/carrier/Frame.ts"
import { CommandNotFound } from "../../../src/executor/ExecutorErrors.ts"
import { openHalves, outcome, type Play } from "./Halves.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

/** Text that is packed, and text that is not, because it compresses by less than an eighth. */
const same = (size: number) => "x".repeat(size)
const noise = (size: number) => Buffer.from(randomBytes(size).map((byte) => byte % 128)).toString("latin1")

const started: Frame = { _tag: "Started", execId: "exec" }
const out = (text: string): Frame => ({ _tag: "Stdout", data: Buffer.from(text) })
const err = (text: string): Frame => ({ _tag: "Stderr", data: Buffer.from(text) })
const exited = (code: number): Frame => ({ _tag: "Exited", code })
const plays =
  (...frames: ReadonlyArray<Frame>): Play =>
  () =>
    Stream.fromIterable(frames)
/** These frames, and no end. */
const hangs =
  (...frames: ReadonlyArray<Frame>): Play =>
  () =>
    Stream.concat(Stream.fromIterable(frames), Stream.never)

const echo: Play = ({ stdin }) =>
  Stream.concat(
    Stream.make(started),
    Stream.concat(
      Stream.map(stdin, (data): Frame => ({ _tag: "Stdout", data })),
      Stream.make(exited(0))
    )
  )

/** Lets Node's streams deliver the bytes that they hold. */
const settle = Effect.promise(() => new Promise((done) => setImmediate(done))).pipe(Effect.repeat({ times: 30 }))

/** Runs an effect while the test's clock advances. */
const whileTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>, seconds = 60) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    for (let at = 0; at < seconds * 4; at++) {
      yield* settle
      yield* TestClock.adjust("250 millis")
    }
    return yield* Fiber.join(fiber)
  })

describe("both halves of the protocol", () => {
  it.live.prop(
    "each command keeps its bytes and their order, wherever the output moves from the log to the tunnel",
    [
      Arbitrary.array(Arbitrary.array(integer(0, 40_000), { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      integer(0, 20),
      integer(0, 3)
    ],
    ([sizes, moment, kind]) =>
      Effect.gen(function* () {
        const arrives = yield* Deferred.make<void>()
        let count = 0
        const frames = sizes.map((all, command) =>
          all.map(
            (size, at): Frame => (at % 3 === 2 ? err : out)(`${command}.${at} ${(at % 2 === 0 ? same : noise)(size)}\n`)
          )
        )
        const play =
          (all: ReadonlyArray<Frame>): Play =>
          () =>
            Stream.fromIterable([started, ...all, exited(all.length)]).pipe(
              Stream.tap(() =>
                Effect.suspend(() => (count++ === moment ? Deferred.succeed(arrives, undefined) : Effect.void))
              ),
              Stream.tap(() => Effect.yieldNow)
            )
        const [first = plays(started, exited(0)), ...more] = frames.map(play)
        const tunnel = {
          from: (["start", "output", "start", "command"] as const)[kind] ?? "start",
          arrives: Effect.andThen(Deferred.await(arrives), Effect.yieldNow)
        }
        const halves = yield* openHalves({ commands: [first, ...more], ...(kind === 2 ? {} : { tunnel }) })
        const found = yield* Effect.forEach(
          frames,
          (_, index) => Effect.flatMap(halves.exec(index), ({ events }) => outcome(events)),
          { concurrency: "unbounded" }
        )
        const text = (all: ReadonlyArray<Frame>, tag: "Stdout" | "Stderr") =>
          all.map((frame) => (frame._tag === tag ? Buffer.from(frame.data).toString() : "")).join("")
        assert.deepStrictEqual(
          found,
          frames.map((all) => ({ stdout: text(all, "Stdout"), stderr: text(all, "Stderr"), end: `exit ${all.length}` }))
        )
        assert.deepStrictEqual(halves.ended, [])
      }).pipe(Effect.scoped)
  )

  it.effect("output arrives by the log before the tunnel is open, and earlier input arrives by the tunnel", () =>
    Effect.gen(function* () {
      const arrives = yield* Deferred.make<void>()
      const seen = yield* Deferred.make<void>()
      const halves = yield* openHalves({
        commands: [
          ({ stdin }) =>
            Stream.concat(Stream.make(started, out("prompt ")), Stream.drop(echo({ ...noInput, stdin }), 1))
        ],
        tunnel: { from: "start", arrives: Deferred.await(arrives) },
        stdin: Stream.make(Buffer.from("one "), Buffer.from("two"))
      })
      const { events } = yield* halves.exec(0)
      const fiber = yield* Effect.forkChild(
        outcome(Stream.tap(events, ({ _tag }) => (_tag === "Stdout" ? Deferred.succeed(seen, undefined) : Effect.void)))
      )
      yield* Deferred.await(seen)
      yield* Deferred.succeed(arrives, undefined)
      assert.deepStrictEqual(yield* Fiber.join(fiber), { stdout: "prompt one two", stderr: "", end: "exit 0" })
    }).pipe(Effect.scoped)
  )

  it.effect.each(["command", "start"] as const)(
    "a tunnel that is needed from the %s on is made then, or where there is input; one of a command that never starts is not",
    (from) =>
      Effect.gen(function* () {
        const start = yield* Deferred.make<void>()
        let made = 0
        const play: Play = ({ stdin }) =>
          Stream.concat(Stream.fromEffectDrain(Deferred.await(start)), echo({ ...noInput, stdin }))
        const arrives = Effect.sync(() => {
          made++
        })
        const keys = yield* Queue.unbounded<Uint8Array, Cause.Done>()
        const halves = yield* openHalves({
          commands: [play],
          tunnel: { from, arrives },
          stdin: Stream.fromQueue(keys)
        })
        const { events } = yield* halves.exec(0)
        const fiber = yield* Effect.forkChild(outcome(events))
        yield* settle
        // Both ends of the tunnel.
        assert.strictEqual(made, from === "start" ? 2 : 0)
        yield* Queue.offer(keys, Buffer.from("a key"))
        yield* settle
        assert.strictEqual(made, from === "start" ? 2 : 1)
        yield* Deferred.succeed(start, undefined)
        yield* Queue.end(keys)
        assert.deepStrictEqual(yield* whileTimePasses(Fiber.join(fiber), 5), {
          stdout: "a key",
          stderr: "",
          end: "exit 0"
        })
        assert.strictEqual(made, 2)

        made = 0
        const refused = () => Stream.fail(new CommandNotFound({ command: "play", detail: "no such file" }))
        const never = yield* openHalves({ commands: [refused], tunnel: { from: "command", arrives } })
        const { end } = yield* whileTimePasses(
          Effect.flatMap(never.exec(0), (command) => outcome(command.events)),
          5
        )
        assert.strictEqual(end, "CommandNotFound")
        assert.strictEqual(made, 0)
      }).pipe(Effect.scoped)
  )

  it.effect("a command that does not begin with the request begins with a message over the tunnel", () =>
    Effect.gen(function* () {
      const begun: Array<number> = []
      const play =
        (index: number): Play =>
        () =>
          Stream.concat(
            Stream.fromEffectDrain(Effect.sync(() => begun.push(index))),
            Stream.make(started, out(`${index}`), exited(0))
          )
      const halves = yield* openHalves({
        commands: [play(0), play(1), play(2)],
        first: 1,
        tunnel: { from: "start", arrives: Effect.void }
      })
      const run = (index: number) => Effect.flatMap(halves.exec(index), ({ events }) => outcome(events))
      assert.strictEqual((yield* run(0)).stdout, "0")
      yield* settle
      assert.deepStrictEqual(begun, [0])
      assert.strictEqual((yield* run(2)).stdout, "2")
      assert.strictEqual((yield* run(1)).stdout, "1")
      assert.deepStrictEqual(begun, [0, 2, 1])
    }).pipe(Effect.scoped)
  )

  it.effect("the request waits for the commands that begin at once, and for no other", () =>
    Effect.gen(function* () {
      const halves = yield* openHalves({ commands: [plays(started, exited(1)), plays(started, exited(2))] })
      const run = yield* Effect.forkChild(Effect.flatMap(halves.exec(0), ({ events }) => outcome(events)))
      yield* settle
      assert.isUndefined(run.pollUnsafe())
      halves.leave(1)
      assert.strictEqual((yield* whileTimePasses(Fiber.join(run), 2)).end, "exit 1")
    }).pipe(Effect.scoped)
  )

  it.effect("the outcome is unknown if a helper ends without a report, and its commands are killed together", () =>
    Effect.gen(function* () {
      const halves = yield* openHalves({ commands: [hangs(started, out("a")), hangs(started, out("b"))] })
      const up = yield* Deferred.make<void>()
      const runs = yield* Effect.forEach([0, 1], (index) =>
        Effect.forkChild(
          Effect.flatMap(halves.exec(index), ({ events }) =>
            outcome(
              Stream.tap(events, ({ _tag }) => (_tag === "Stdout" ? Deferred.succeed(up, undefined) : Effect.void))
            )
          )
        )
      )
      yield* Deferred.await(up)
      yield* halves.kill
      const found = yield* whileTimePasses(Effect.forEach(runs, Fiber.join))
      assert.deepStrictEqual(
        found.map(({ end, stdout }) => [stdout, end]),
        [
          ["a", "OutcomeUnknown"],
          ["b", "OutcomeUnknown"]
        ]
      )
      assert.deepStrictEqual(halves.ended, [["run-0", "run-1"]])
    }).pipe(Effect.scoped)
  )

  it.effect("the outcome is unknown if a helper ends while its tunnel opens, and its command is killed", () =>
    Effect.gen(function* () {
      const halves = yield* openHalves({
        commands: [hangs(started, out("up"))],
        tunnel: { from: "start", arrives: Effect.never },
        stdin: Stream.never
      })
      const up = yield* Deferred.make<void>()
      const { events } = yield* halves.exec(0)
      const run = yield* Effect.forkChild(
        outcome(Stream.tap(events, ({ _tag }) => (_tag === "Stdout" ? Deferred.succeed(up, undefined) : Effect.void)))
      )
      yield* Deferred.await(up)
      yield* halves.kill
      assert.deepStrictEqual(yield* whileTimePasses(Fiber.join(run)), {
        stdout: "up",
        stderr: "",
        end: "OutcomeUnknown"
      })
      assert.deepStrictEqual(halves.ended, [["run-0"]])
    }).pipe(Effect.scoped)
  )

  it.effect("commands of a connection that breaks after the move are lost, and killed together", () =>
    Effect.gen(function* () {
      const moved = yield* Deferred.make<void>()
      const heard: Play = ({ stdin }) =>
        Stream.concat(
          Stream.make(started),
          Stream.concat(
            Stream.fromEffectDrain(Effect.andThen(Stream.runHead(stdin), Deferred.succeed(moved, undefined))),
            Stream.never
          )
        )
      const halves = yield* openHalves({
        commands: [heard, hangs(started)],
        tunnel: { from: "start", arrives: Effect.void },
        stdin: Stream.concat(Stream.make(Buffer.from("x")), Stream.never)
      })
      const runs = yield* Effect.forEach([0, 1], (index) =>
        Effect.forkChild(Effect.flatMap(halves.exec(index), ({ events }) => outcome(events)))
      )
      yield* Deferred.await(moved)
      yield* settle
      yield* halves.cut
      const found = yield* whileTimePasses(Effect.forEach(runs, Fiber.join), 20)
      assert.deepStrictEqual(
        found.map(({ end }) => end),
        ["ConnectionLost", "ConnectionLost"]
      )
      assert.deepStrictEqual(halves.ended.flat().toSorted(), ["run-0", "run-1"])
    }).pipe(Effect.scoped)
  )

  it.effect("a helper of another version is refused, whatever it sends after that", () =>
    Effect.gen(function* () {
      const halves = yield* openHalves({ commands: [plays(started, out("no"), exited(0))], protocol: 1 })
      const { events } = yield* halves.exec(0)
      assert.deepStrictEqual(yield* whileTimePasses(outcome(events), 2), {
        stdout: "",
        stderr: "",
        end: "HelperRefused"
      })
    }).pipe(Effect.scoped)
  )

  it.effect("a signal goes by the tunnel if that is open, else by another helper", () =>
    Effect.gen(function* () {
      const arrives = yield* Deferred.make<void>()
      const signals: Array<string> = []
      const obeys: Play = ({ respond, signals: orders }) =>
        Stream.concat(
          Stream.make(started, out("up")),
          Stream.map(Stream.take(orders, 1), ({ id, signal }): Frame => {
            signals.push(signal)
            Effect.runFork(respond({ _tag: "Signalled", id, killResult: { _tag: "Killed" } }))
            return exited(143)
          })
        )
      const halves = yield* openHalves({
        commands: [obeys],
        tunnel: { from: "start", arrives: Deferred.await(arrives) },
        stdin: Stream.never
      })
      const { end, events, run } = yield* halves.exec(0)
      const up = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        outcome(Stream.tap(events, ({ _tag }) => (_tag === "Stdout" ? Deferred.succeed(up, undefined) : Effect.void)))
      )
      yield* Deferred.await(up)
      yield* whileTimePasses(end({ ...run, signal: "SIGHUP" }), 1)
      assert.deepStrictEqual([halves.ended, signals], [[["run-0"]], []])
      yield* Deferred.succeed(arrives, undefined)
      yield* settle
      assert.strictEqual((yield* whileTimePasses(end({ ...run, signal: "SIGTERM" }), 1))._tag, "Killed")
      assert.deepStrictEqual([halves.ended.length, signals], [1, ["SIGTERM"]])
      assert.strictEqual((yield* Fiber.join(fiber)).end, "exit 143")
    }).pipe(Effect.scoped)
  )

  it.effect("a signal without an answer goes by another helper after the grace period and 20 s", () =>
    Effect.gen(function* () {
      const halves = yield* openHalves({
        commands: [hangs(started)],
        tunnel: { from: "start", arrives: Effect.void },
        stdin: Stream.never
      })
      const { end, events, run } = yield* halves.exec(0)
      const fiber = yield* Effect.forkChild(outcome(events))
      yield* settle
      const killing = yield* Effect.forkChild(end(run))
      yield* whileTimePasses(Effect.void, 20)
      assert.deepStrictEqual([killing.pollUnsafe(), halves.ended], [undefined, []])
      yield* whileTimePasses(Effect.void, 2)
      assert.strictEqual((yield* Fiber.join(killing))._tag, "Killed")
      assert.deepStrictEqual(halves.ended, [["run-0"]])
      yield* whileTimePasses(Fiber.interrupt(fiber), 30)
    }).pipe(Effect.scoped)
  )

  it.effect("a node that is silent after the move is lost after three missing pings", () =>
    Effect.gen(function* () {
      const halves = yield* openHalves({
        commands: [hangs(started, out("up")), hangs(started)],
        tunnel: { from: "start", arrives: Effect.void },
        stdin: Stream.never
      })
      const runs = yield* Effect.forEach([0, 1], (index) =>
        Effect.forkChild(Effect.flatMap(halves.exec(index), ({ events }) => outcome(events)))
      )
      yield* settle
      yield* halves.silence
      yield* whileTimePasses(Effect.void, 10)
      assert.deepStrictEqual(
        runs.map((run) => run.pollUnsafe()),
        [undefined, undefined]
      )
      const found = yield* whileTimePasses(Effect.forEach(runs, Fiber.join), 20)
      assert.deepStrictEqual(
        found.map(({ end }) => end),
        ["ConnectionLost", "ConnectionLost"]
      )
      assert.deepStrictEqual(halves.ended.flat().toSorted(), ["run-0", "run-1"])
    }).pipe(Effect.scoped)
  )

  it.effect("an invalid message is an unknown outcome", () =>
    Effect.gen(function* () {
      const unasked: Frame = { _tag: "Ended", killResults: [] }
      const halves = yield* openHalves({ commands: [plays(started, unasked, exited(0))] })
      const { events } = yield* halves.exec(0)
      assert.strictEqual((yield* whileTimePasses(outcome(events), 5)).end, "HelperRefused")
    }).pipe(Effect.scoped)
  )

  it.effect("a slow reader holds back the executor, by log and by tunnel, and gets every byte", () =>
    Effect.gen(function* () {
      const block = "y".repeat(64 * 1024)
      let written = 0
      const floods: Play = ({ stdin }) =>
        Stream.concat(
          Stream.make(started),
          Stream.concat(
            // Waits for the caller.
            Stream.concat(
              Stream.fromEffectDrain(Stream.runHead(stdin)),
              Stream.fromIterable(Array.from({ length: 100 }, () => out(block))).pipe(
                Stream.tap(() => Effect.sync(() => written++))
              )
            ),
            Stream.make(exited(0))
          )
        )
      const halves = yield* openHalves({
        commands: [floods],
        tunnel: { from: "start", arrives: Effect.void },
        stdin: Stream.concat(Stream.make(Buffer.from("x")), Stream.never)
      })
      const { events } = yield* halves.exec(0)
      const gate = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        outcome(Stream.tap(events, ({ _tag }) => (_tag === "Started" ? Deferred.await(gate) : Effect.void)))
      )
      yield* whileTimePasses(Effect.void, 2)
      assert.isBelow(written, 20)
      yield* Deferred.succeed(gate, undefined)
      const { end, stdout } = yield* whileTimePasses(Fiber.join(fiber), 10)
      assert.deepStrictEqual([end, stdout.length], ["exit 0", 100 * block.length])
    }).pipe(Effect.scoped)
  )

  it.effect("a caller that leaves kills the command, as does the executor when the line closes", () =>
    Effect.gen(function* () {
      const over = yield* Deferred.make<void>()
      const halves = yield* openHalves({
        commands: [() => Stream.ensuring(hangs(started, out("up"))(noInput), Deferred.succeed(over, undefined))],
        tunnel: { from: "start", arrives: Effect.void },
        stdin: Stream.never,
        killResult: { _tag: "Unconfirmed", detail: "not seen" }
      })
      const { events } = yield* halves.exec(0)
      yield* whileTimePasses(
        Effect.scoped(Stream.runDrain(Stream.take(events, 2))).pipe(Effect.andThen(Deferred.await(over))),
        60
      )
    }).pipe(Effect.scoped)
  )
})

const noInput = { stdin: Stream.empty, sizes: Stream.empty, signals: Stream.never, respond: () => Effect.void }
