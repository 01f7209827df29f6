import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { ContainerLogOptions } from "../../../src/engine/ContainerRequests.ts"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import { EngineError, EngineUnreachable } from "../../../src/engine/EngineErrors.ts"
import { Container } from "../../../src/engine/EngineSchemas.ts"
import type { Action } from "../../../src/executor/Action.ts"
import type { ExecEvent } from "../../../src/executor/ExecEvent.ts"
import type { ExecSpec } from "../../../src/executor/ExecSpec.ts"
import { performAction } from "../../../src/executor/PerformAction.ts"

const container = "c".repeat(64)
const decodeContainer = Schema.decodeUnknownSync(Container)

/** A record of the engine's stream: 1 for stdout, 2 for stderr, 3 for errors of the engine. */
const record = (stream: 1 | 2 | 3, text: string): Uint8Array => {
  const body = Buffer.from(text)
  const header = Buffer.alloc(8)
  header.writeUInt8(stream)
  header.writeUInt32BE(body.length, 4)
  return Buffer.concat([header, body])
}

const refusal = (status: number, text: string) =>
  new EngineError({ host: "memory", operation: "read the log", status, text })

interface Made {
  readonly log?: Stream.Stream<Uint8Array, EngineUnreachable> | EngineError
  readonly kill?: EngineError
  readonly inspect?: EngineError
  readonly tty?: boolean
  readonly allow?: string
}

/** An engine with one container, and what it was asked to do. */
const engineOf = Effect.fnUntraced(function* ({ allow, inspect, kill, log = Stream.empty, tty = false }: Made) {
  const asked: Array<ContainerLogOptions | string> = []
  const found = decodeContainer({
    Id: container,
    Config: { Tty: tty, Labels: allow === undefined ? {} : { "task-exec.allow": allow } },
    HostConfig: { LogConfig: { Type: "fluentd" } }
  })
  const engine = yield* Effect.provide(
    DockerEngine,
    Layer.mock(DockerEngine)({
      host: "memory",
      inspectContainer: () => (inspect === undefined ? Effect.succeed(found) : Effect.fail(inspect)),
      readContainerLog: (_, options) =>
        Effect.suspend(() => {
          asked.push(options)
          return Stream.isStream(log) ? Effect.succeed(log) : Effect.fail(log)
        }),
      killContainer: (_, signal) =>
        Effect.suspend(() => {
          asked.push(signal)
          return kill === undefined ? Effect.void : Effect.fail(kill)
        })
    })
  )
  return { asked, engine }
})

const logs = (more: Partial<Action & { readonly _tag: "Logs" }> = {}): Action => ({
  _tag: "Logs",
  follow: false,
  timestamps: false,
  ...more
})

const perform = (made: Made, action: Action, more: Partial<ExecSpec> = {}) =>
  Effect.map(engineOf(made), ({ asked, engine }) => {
    const spec: ExecSpec = {
      runId: "run",
      container,
      // The word of another program: a policy must not go by it.
      command: ["ps"],
      env: [],
      privileged: false,
      stdin: false,
      detach: false,
      signal: "SIGTERM",
      grace: 0,
      policy: {},
      action,
      ...more
    }
    return { asked, events: performAction(engine, spec, action) }
  })

const shown = (event: ExecEvent): string =>
  event._tag === "Stdout" || event._tag === "Stderr"
    ? `${event._tag} ${Buffer.from(event.data).toString()}`
    : event._tag === "Exited"
      ? `Exited ${event.code}`
      : event._tag

const run = (made: Made, action: Action, more?: Partial<ExecSpec>) =>
  Effect.flatMap(perform(made, action, more), ({ events }) => Stream.runCollect(Stream.map(events, shown)))

describe("the log of a container", () => {
  it.effect("comes with its streams apart and in order, in one piece for adjacent lines of a stream", () =>
    Effect.gen(function* () {
      const bytes = Buffer.concat([record(1, "a\n"), record(1, "b\n"), record(2, "c\n"), record(1, "no end")])
      assert.deepStrictEqual(yield* run({ log: Stream.make(bytes) }, logs()), [
        "Started",
        "Stdout a\nb\n",
        "Stderr c\n",
        "Stdout no end",
        "Exited 0"
      ])
      const split = Stream.fromIterable(Array.from(bytes, (byte) => Uint8Array.of(byte)))
      const joined = (yield* run({ log: split }, logs())).join("").replaceAll(/Std(out|err) /g, "")
      assert.strictEqual(joined, "Starteda\nb\nc\nno endExited 0")
    })
  )

  it.effect("of a container with a TTY is one raw stream", () =>
    Effect.gen(function* () {
      const log = Stream.make(record(1, "not a record"))
      const [, output] = yield* run({ tty: true, log }, logs())
      assert.strictEqual(output, `Stdout \u0001${"\0".repeat(6)}\fnot a record`)
    })
  )

  it.effect("is asked for as the action says", () =>
    Effect.gen(function* () {
      const action = logs({ tail: 5, since: "1.000000000", until: "2.000000000", timestamps: true })
      const { asked, events } = yield* perform({}, action)
      yield* Stream.runDrain(events)
      const { _tag, ...lines } = action
      assert.deepStrictEqual(asked, [lines as ContainerLogOptions])
      assert.strictEqual(_tag, "Logs")
    })
  )

  it.effect("is read at most about 1 MiB ahead of its consumer, and is complete nevertheless", () =>
    Effect.gen(function* () {
      let pulled = 0
      const line = record(1, `${"x".repeat(1023)}\n`)
      const log = Stream.fromEffectRepeat(
        Effect.sync(() => {
          pulled++
          return line
        })
      ).pipe(Stream.take(20_000))
      const { events } = yield* perform({ log }, logs())
      const gate = Latch.makeUnsafe(false)
      let bytes = 0
      const reading = yield* Effect.forkChild(
        Stream.runForEach(events, (event) => {
          if (event._tag === "Stdout") bytes += event.data.length
          return event._tag === "Stdout" ? gate.await : Effect.void
        })
      )
      // The clock does not move: whatever can happen without it happens.
      yield* TestClock.adjust(0)
      while (true) {
        const before = pulled
        yield* Effect.yieldNow
        if (pulled === before) break
      }
      assert.isAbove(pulled, 0)
      assert.isBelow(pulled * 1024, 3 * 1024 * 1024)
      yield* gate.open
      yield* Fiber.join(reading)
      assert.deepStrictEqual([pulled, bytes], [20_000, 20_000 * 1024])
    })
  )

  for (const [what, log, detail] of [
    ["an error of the engine in it", Stream.make(record(1, "a\n"), record(3, "Error grabbing logs: bad\n")), /bad$/],
    [
      "an end within a record",
      Stream.make(record(1, "a\n"), record(1, "cut off").subarray(0, 10)),
      /middle of a record/
    ],
    ["bytes that are no record", Stream.make(Buffer.from("no record")), /invalid record/]
  ] as const) {
    it.effect(`with ${what} is incomplete, and no success`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(run({ log }, logs()))
        assert(error._tag === "LogUnreadable")
        assert.strictEqual(error.reason, "Incomplete")
        assert.match(error.detail, detail)
      })
    )
  }

  it.effect("whose connection breaks is no success, after all that came before", () =>
    Effect.gen(function* () {
      const lost = new EngineUnreachable({ host: "memory", operation: "read", reason: "Lost", detail: "closed" })
      const { events } = yield* perform(
        { log: Stream.concat(Stream.make(record(1, "a\n")), Stream.fail(lost)) },
        logs()
      )
      const seen: Array<string> = []
      const error = yield* Effect.flip(Stream.runForEach(events, (event) => Effect.sync(() => seen.push(shown(event)))))
      assert.deepStrictEqual([error, seen], [lost, ["Started", "Stdout a\n"]])
    })
  )

  it.effect("of a driver that the engine can't read names the driver, and what to do", () =>
    Effect.gen(function* () {
      const log = refusal(501, "configured logging driver does not support reading")
      const error = yield* Effect.flip(run({ log }, logs()))
      assert.strictEqual(
        error.message,
        "cannot read the log of container cccccccccccc: configured logging driver does not support reading (log driver fluentd). Read the log where its driver sends it, or update the service with --log-driver json-file or local."
      )
    })
  )

  it.effect("of a container that is gone says so", () =>
    Effect.gen(function* () {
      for (const made of [
        { inspect: refusal(404, "No such container") },
        { log: refusal(409, "marked for removal") }
      ]) {
        const error = yield* Effect.flip(run(made, logs()))
        assert(error._tag === "LogUnreadable")
        assert.strictEqual(error.reason, "Removed")
      }
      assert.strictEqual((yield* Effect.flip(run({ log: refusal(500, "disk") }, logs())))._tag, "EngineError")
    })
  )

  it.effect("needs the word logs in the policy label, whatever the command says", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run({ allow: "ps" }, logs()))
      assert(error._tag === "PolicyDenied")
      assert.strictEqual(error.program, "logs")
      assert.deepStrictEqual(yield* run({ allow: "logs" }, logs()), ["Started", "Exited 0"])
    })
  )

  describe("followed up to a time", () => {
    const until = "10.000000000"
    const follow = logs({ follow: true, until })

    it.effect("ends then, though the engine does not end it", () =>
      Effect.gen(function* () {
        const log = Stream.concat(Stream.make(record(1, "a\n")), Stream.never)
        const reading = yield* Effect.forkChild(run({ log }, follow))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(reading.pollUnsafe(), undefined)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(reading), ["Started", "Stdout a\n", "Exited 0"])
      })
    )

    it.effect("does not end while lines come", () =>
      Effect.gen(function* () {
        const lines = yield* Queue.unbounded<Uint8Array>()
        const reading = yield* Effect.forkChild(run({ log: Stream.fromQueue(lines) }, follow))
        for (let second = 0; second < 30; second++) {
          yield* Queue.offer(lines, record(1, "."))
          yield* TestClock.adjust("900 millis")
        }
        yield* TestClock.adjust("1 second")
        const [, ...output] = yield* Fiber.join(reading)
        assert.strictEqual(output.join("").replaceAll("Stdout ", ""), `${".".repeat(30)}Exited 0`)
      })
    )
  })

  it.effect("that is followed ends at the timeout with a typed error", () =>
    Effect.gen(function* () {
      const reading = yield* Effect.forkChild(
        Effect.flip(run({ log: Stream.never }, logs({ follow: true }), { timeout: 5000 }))
      )
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(reading))._tag, "ExecTimeout")
    })
  )
})

describe("a signal to a container", () => {
  const hup: Action = { _tag: "Signal", signal: "SIGHUP" }

  it.effect("is sent once", () =>
    Effect.gen(function* () {
      const { asked, events } = yield* perform({}, hup)
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.map(events, shown)), ["Started", "Exited 0"])
      assert.deepStrictEqual(asked, ["SIGHUP"])
    })
  )

  it.effect("that the engine refuses is an error with the engine's words", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run({ kill: refusal(409, "container is not running") }, hup))
      assert.strictEqual(error.message, "cannot send SIGHUP to container cccccccccccc: container is not running")
    })
  )

  it.effect("needs the word signal, or signal with its name, in the policy label", () =>
    Effect.gen(function* () {
      for (const [allow, isAllowed] of [
        ["ps", false],
        ["signal", true],
        ["signal SIGHUP", true],
        ["signal SIGKILL", false]
      ] as const) {
        const { asked, events } = yield* perform({ allow }, hup)
        const result = yield* Effect.result(Stream.runDrain(events))
        assert.deepStrictEqual(
          [allow, result._tag, asked.length],
          [allow, isAllowed ? "Success" : "Failure", isAllowed ? 1 : 0]
        )
      }
    })
  )
})
