/** Both halves of a forwarding session against each other, over a connection in memory that cuts its bytes anywhere. */
import type { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { fromReadable } from "../../../src/engine/fromReadable.ts"
import { forwardPorts } from "../../../src/forward/Forward.ts"
import { PortUnreachable } from "../../../src/forward/ForwardErrors.ts"
import { type Forwarder, openForwarder } from "../../../src/forward/Forwarder.ts"
import { callersSide, connectionWindow, mostConnections } from "../../../src/forward/ForwardProtocol.ts"
import { serveForward } from "../../../src/forward/ForwardServer.ts"
import type { RunChecked } from "../../../src/forward/ForwardSession.ts"
import { joinSocket } from "../../../src/forward/joinSocket.ts"
import { cutEvery, settle, socketPair } from "../carrier/Connections.ts"
import { task } from "../fleet/Fixtures.ts"

/** A session, and the task's ends of its connections in the order in which they were dialed. */
const session = Effect.fnUntraced(function* (cut = 100_000) {
  const [near, far] = cutEvery(cut)
  const dialed: Array<Duplex> = []
  const dial = (port: number) =>
    Effect.suspend(() => {
      if (port === 81) return Effect.fail(new PortUnreachable({ port, reason: "connection refused" }))
      const [own, tasks] = socketPair()
      dialed.push(tasks)
      return Effect.succeed(own)
    })
  const serving = yield* Effect.forkScoped(serveForward(far, { ports: [80, 81], dial }))
  return { dialed, forwarder: yield* openForwarder(near), near, serving }
})

/** Opens a connection. Returns the ends of the local program and of the task. */
const connect = Effect.fnUntraced(function* (forwarder: Forwarder, dialed: ReadonlyArray<Duplex>) {
  const before = dialed.length
  const [own, program] = socketPair()
  const { channel, incoming } = yield* forwarder.connect(80)
  const joined = yield* Effect.forkScoped(joinSocket(channel, incoming, own, callersSide))
  const task = dialed[before]
  return task === undefined ? yield* Effect.die("the port was not dialed") : { joined, program, task }
})

/** Writes everything, and ends. */
const write = (to: Duplex, data: Uint8Array) =>
  Effect.callback<void>((resume) => void to.end(data, () => resume(Effect.void)))

const readAll = (from: Duplex) =>
  fromReadable(from, String, { borrowed: true }).pipe(
    Effect.flatMap(Stream.runCollect),
    Effect.map((chunks) => Buffer.concat(chunks)),
    Effect.scoped
  )

const Amount = Schema.Literals([0, 1, 1000, 70_000, 300_000])

describe("a forwarding session", () => {
  it.effect.prop(
    "any number of connections at once, cut anywhere: the same bytes both ways",
    [
      Arbitrary.array(Arbitrary.schema(Schema.Struct({ there: Amount, back: Amount })), { minLength: 1, maxLength: 8 }),
      Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 50, maximum: 100_000 }))))
    ],
    ([all, cut]) =>
      Effect.gen(function* () {
        const { dialed, forwarder } = yield* session(cut)
        const opened = yield* Effect.forEach(all, () => connect(forwarder, dialed))
        yield* Effect.forEach(
          opened,
          ({ joined, program, task }, at) =>
            Effect.gen(function* () {
              const there = Buffer.alloc(all[at]?.there ?? 0, `there ${at} `)
              const back = Buffer.alloc(all[at]?.back ?? 0, `back ${at} `)
              const [, , got, gotBack] = yield* Effect.all(
                [write(program, there), write(task, back), readAll(task), readAll(program)],
                { concurrency: "unbounded" }
              )
              assert.isTrue(got.equals(there))
              assert.isTrue(gotBack.equals(back))
              yield* Fiber.join(joined)
            }),
          { concurrency: "unbounded", discard: true }
        )
      }),
    { arbitrary: { runs: 20 } }
  )

  it.effect("each direction ends by itself: the other one goes on", () =>
    Effect.gen(function* () {
      const { dialed, forwarder } = yield* session()
      for (const side of ["program", "task"] as const) {
        const ends = yield* connect(forwarder, dialed)
        const [first, second] = side === "program" ? [ends.program, ends.task] : [ends.task, ends.program]
        yield* write(first, Buffer.from("a question"))
        assert.strictEqual(`${yield* readAll(second)}`, "a question")
        yield* write(second, Buffer.from("an answer"))
        assert.strictEqual(`${yield* readAll(first)}`, "an answer")
        yield* Fiber.join(ends.joined)
      }
    })
  )

  it.effect("a slow reader of one connection holds its sender back, and no other connection", () =>
    Effect.gen(function* () {
      const { dialed, forwarder } = yield* session()
      const slow = yield* connect(forwarder, dialed)
      const other = yield* connect(forwarder, dialed)
      const piece = Buffer.alloc(connectionWindow / 8)
      const pieces = 100
      let taken = 0
      for (let n = 0; n < pieces; n++) slow.task.write(piece, () => taken++)
      yield* settle
      // One room at each of the two sides, and what Node's streams hold.
      assert.isAtMost(taken * piece.length, 4 * connectionWindow)
      const before = taken
      yield* write(other.task, Buffer.from("quick"))
      assert.strictEqual(`${yield* readAll(other.program)}`, "quick")
      assert.strictEqual(taken, before)
      slow.task.end()
      assert.strictEqual((yield* readAll(slow.program)).length, pieces * piece.length)
    })
  )

  it.effect("a port that refuses connections, or is not one of those: the reason, and the session goes on", () =>
    Effect.gen(function* () {
      const { dialed, forwarder } = yield* session()
      const refused = Effect.scoped(Effect.flip(forwarder.connect(81)))
      assert.deepStrictEqual(yield* refused, new PortUnreachable({ port: 81, reason: "connection refused" }))
      const other = yield* Effect.scoped(Effect.flip(forwarder.connect(22)))
      assert.strictEqual(other.message, "cannot connect to port 22: port 22 is not one of the ports to forward")
      assert.deepStrictEqual(dialed, [])
      const { program, task } = yield* connect(forwarder, dialed)
      yield* write(task, Buffer.from("still here"))
      assert.strictEqual(`${yield* readAll(program)}`, "still here")
    })
  )

  it.effect("a connection that breaks on one side breaks on the other one", () =>
    Effect.gen(function* () {
      const { dialed, forwarder } = yield* session()
      const byTask = yield* connect(forwarder, dialed)
      byTask.task.destroy()
      assert.strictEqual((yield* Effect.flip(Fiber.join(byTask.joined)))._tag, "ConnectionReset")
      const byProgram = yield* connect(forwarder, dialed)
      byProgram.program.destroy()
      yield* Effect.flip(Fiber.join(byProgram.joined))
      yield* settle
      assert.isTrue(byProgram.task.destroyed)
    })
  )

  it.effect("has a limit of connections, which counts those that are open", () =>
    Effect.gen(function* () {
      const { dialed, forwarder } = yield* session()
      const opened = yield* Effect.forEach(Array.from({ length: mostConnections }), () => connect(forwarder, dialed))
      const error = yield* Effect.scoped(Effect.flip(forwarder.connect(80)))
      assert.strictEqual(error.message, `cannot connect to port 80: more than ${mostConnections} connections are open`)
      const [first] = opened
      if (first === undefined) return assert.fail()
      yield* write(first.program, Buffer.from("bye"))
      yield* write(first.task, Buffer.from("bye"))
      yield* Effect.all([readAll(first.task), readAll(first.program)], { concurrency: 2 })
      yield* Fiber.join(first.joined)
      yield* settle
      yield* connect(forwarder, dialed)
    })
  )

  it.effect("the caller disconnects: the connections of the task are reset, and the process ends", () =>
    Effect.gen(function* () {
      const { dialed, forwarder, near, serving } = yield* session()
      const { task } = yield* connect(forwarder, dialed)
      near.destroy()
      yield* Fiber.join(serving)
      yield* settle
      assert.isTrue(task.destroyed)
      assert.isFalse(task.readableEnded)
    })
  )
})

describe("forwarded ports", () => {
  /**
   * A task's process that starts after a time, serves the end of a connection, and ends with its input. Returns what the caller gets, and
   * completes `begun` when the start has begun.
   */
  const forwardTo = Effect.fnUntraced(function* (
    start: "0 seconds" | "40 seconds",
    serve: (far: Duplex) => Effect.Effect<void>
  ) {
    const begun = yield* Deferred.make<void>()
    const run: RunChecked = ({ input }) => {
      const [near, far] = cutEvery(100_000)
      const started = Effect.andThen(Deferred.succeed(begun, undefined), Effect.sleep(start))
      const output = Effect.gen(function* () {
        yield* Effect.forkScoped(serve(far))
        yield* Stream.runForEach(input.stdin, (data) => Effect.sync(() => near.write(data))).pipe(
          Effect.andThen(Effect.sync(() => near.end())),
          Effect.forkScoped
        )
        const bytes = yield* fromReadable(near, String, { borrowed: true })
        return Stream.map(bytes, (data) => ({ _tag: "Stdout" as const, data }))
      })
      return Stream.make({ _tag: "Resolved" as const, task: task("web.1@node-1"), route: "local" as const }).pipe(
        Stream.concat(Stream.fromEffect(Effect.as(started, { _tag: "Started" as const, execId: "" }))),
        Stream.concat(Stream.orDie(Stream.unwrap(output))),
        Stream.concat(Stream.make({ _tag: "Exited" as const, code: 0 }))
      )
    }
    const opening = yield* Effect.forkScoped(
      forwardPorts({ target: "web", ports: [{ remote: 80 }], addresses: [] }, run)
    )
    yield* Deferred.await(begun)
    yield* settle
    yield* TestClock.adjust(start)
    return yield* Fiber.join(opening)
  })

  it.effect("wait for a process that takes longer to start than a silent one may be silent", () =>
    Effect.gen(function* () {
      let dialed = 0
      const dial = () =>
        Effect.sync(() => {
          dialed++
          return socketPair()[0]
        })
      const { connect } = yield* forwardTo("40 seconds", (far) => serveForward(far, { ports: [80], dial }))
      yield* Effect.scoped(connect(80))
      assert.strictEqual(dialed, 1)
    })
  )

  it.effect("end if the process in the task's network is silent for 15 seconds", () =>
    Effect.gen(function* () {
      const { events } = yield* forwardTo("0 seconds", (far) =>
        Effect.sync(() => void far.resume().on("end", () => far.end()))
      )
      const ended = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(events)))
      yield* settle
      yield* TestClock.adjust("20 seconds")
      // A process that has ended gets 3 seconds to report its outcome, and 3 seconds to end.
      for (let n = 0; n < 2; n++) {
        yield* settle
        yield* TestClock.adjust("3 seconds")
      }
      const { message } = yield* Fiber.join(ended)
      assert.match(message, /^port forwarding to web\.1 on node-1 ended: no data for 15 s/)
    })
  )
})
