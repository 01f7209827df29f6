import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { OutcomeUnknown, TaskExec, TaskNotRunning } from "../../../src/index.ts"
import { type Answer, Calls, layerTest, reply, type Script } from "../../../src/testing.ts"
import { contract } from "../../contract/TaskExecContract.ts"

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe("the layer for tests fulfills the contract of the service", () => {
  const script: Script = Object.fromEntries(contract.map(({ answer, command }) => [command.join(" "), answer]))
  for (const { check, command, name } of contract) {
    it.live(name, () =>
      check({ service: "web", target: "web.1" }, command).pipe(
        Effect.provide(layerTest({ tasks: ["web.1", { name: "web.2", node: "node-2" }], script }))
      )
    )
  }
})

/** Runs an effect with a layer that has three tasks on three nodes, and this script. */
const withScript =
  (script: Script) =>
  <A, E>(test: Effect.Effect<A, E, TaskExec | Calls | Scope.Scope>) =>
    Effect.provide(
      test,
      layerTest({
        tasks: ["web.1", { name: "web.2", node: "node-2", labels: { tier: "front" } }, "agent@node-3"],
        script
      })
    )

describe("the layer for tests", () => {
  it.effect("records task, request, input and signals of each run", () =>
    Effect.gen(function* () {
      const stdin = Stream.make("3", "4").pipe(Stream.encodeText)
      yield* TaskExec.run({ target: "web.2", command: ["tar", "x"], user: "app", stdin })
      yield* TaskExec.run({ target: "web.1", command: ["true"], signals: Stream.make("SIGHUP" as const) })
      const calls = yield* Calls.all
      assert.deepStrictEqual(
        calls.map(({ request, stdin, task }) => [task.name, task.node.hostname, request.command, text(stdin)]),
        [
          ["web.2", "node-2", ["tar", "x"], "34"],
          ["web.1", "node-1", ["true"], ""]
        ]
      )
      assert.strictEqual(calls[0]?.request.user, "app")
      assert.deepStrictEqual(calls[1]?.signals, ["SIGHUP"])
    }).pipe(withScript(({ request }) => (request.signals === undefined ? {} : Stream.never)))
  )

  it.effect("uses a helper for tasks of other nodes", () =>
    Effect.gen(function* () {
      const route = (target: string, stdin = {}) =>
        Effect.map(TaskExec.run({ target, command: ["true"], ...stdin }), (result) => result.route)
      assert.strictEqual(yield* route("web.1"), "local")
      assert.strictEqual(yield* route("web.2"), "helper")
      assert.strictEqual(yield* route("agent@node-3", { stdin: Stream.empty }), "helper")
      const local = Effect.flip(TaskExec.run({ target: "web.2", command: ["true"], via: "local" }))
      assert.strictEqual((yield* local)._tag, "RouteUnavailable")
      const ambiguous = Effect.flip(TaskExec.run({ target: "web", command: ["true"] }))
      assert.strictEqual((yield* ambiguous)._tag, "TaskAmbiguous")
    }).pipe(withScript({ true: {} }))
  )

  it.effect("runs a command in a one-off task", () =>
    Effect.gen(function* () {
      const one = (target: string) => TaskExec.run({ target, oneOff: { image: "web:2" }, command: ["./migrate", "up"] })
      const { exitCode, route, task } = yield* one("web@node-2")
      assert.deepStrictEqual([exitCode, task.name, task.node.hostname, route], [3, "web.run", "node-2", "helper"])
      // A node with a task of the service, the connected engine's first.
      assert.strictEqual((yield* one("web")).task.node.hostname, "node-1")
      assert.strictEqual((yield* one("agent")).task.node.hostname, "node-3")
      const errors = yield* Effect.forEach(["web.1", "nosuch", "web@nowhere"], (target) => Effect.flip(one(target)))
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["TaskNotFound", "TaskNotFound", "TaskNotFound"]
      )
      const [call] = yield* Calls.all
      assert.deepStrictEqual(call?.request.command, ["./migrate", "up"])
    }).pipe(withScript({ "./migrate up": { exitCode: 3 } }))
  )

  it.effect("plays a conversation", () =>
    Effect.gen(function* () {
      const session = yield* TaskExec.open({ target: "web.1", command: ["cat"] })
      yield* Effect.forkScoped(Stream.run(Stream.encodeText(Stream.make("a", "b")), session.stdin))
      const output = yield* session.events.pipe(
        Stream.filter((event) => event._tag === "Stdout"),
        Stream.map(({ data }) => text(data)),
        Stream.runCollect
      )
      assert.deepStrictEqual([output.join(""), yield* session.outcome], ["ab", 7])
    }).pipe(
      withScript(({ stdin }) =>
        stdin.pipe(
          Stream.map((data) => ({ _tag: "Stdout" as const, data })),
          Stream.concat(reply({ exitCode: 7 }))
        )
      )
    )
  )

  it.effect("uses the test's clock", () =>
    Effect.gen(function* () {
      const started = yield* Latch.make()
      const late = yield* TaskExec.stream({ target: "web.1", command: ["sleep"], timeout: "300 seconds" }).pipe(
        Stream.runForEach(({ _tag }) => (_tag === "Started" ? Latch.open(started) : Effect.void)),
        Effect.flip,
        Effect.forkChild
      )
      yield* started.await
      yield* TestClock.adjust("299 seconds")
      assert.isUndefined(late.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(late))._tag, "ExecTimeout")
    }).pipe(withScript({ sleep: Stream.never }))
  )

  it.effect("runs a command without a timeout to its end", () =>
    Effect.gen(function* () {
      const started = yield* Latch.make()
      const long = yield* TaskExec.stream({ target: "web.1", command: ["migrate"] }).pipe(
        Stream.tap(({ _tag }) => (_tag === "Started" ? Latch.open(started) : Effect.void)),
        Stream.runLast,
        Effect.forkChild
      )
      yield* started.await
      yield* TestClock.adjust("59 minutes")
      assert.isUndefined(long.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      const last = Option.getOrUndefined(yield* Fiber.join(long))
      assert.strictEqual(last?._tag, "Exited")
    }).pipe(withScript({ migrate: Stream.concat(Stream.drain(Stream.fromEffect(Effect.sleep("1 hour"))), reply({})) }))
  )

  it.effect("waits for a task as the real service does", () =>
    Effect.gen(function* () {
      const layer = layerTest({ tasks: [{ name: "web.1", state: "starting" }], script: {} })
      const wait = TaskExec.run({ target: "web.1", command: ["true"], wait: "10 seconds" })
      const late = yield* Effect.forkChild(Effect.flip(wait).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(late))._tag, "WaitTimedOut")
    })
  )

  for (const [when, answer, tags] of [
    ["before anything runs", notRunning(), []],
    ["while the command runs", new OutcomeUnknown({ detail: "lost" }), ["Resolved", "Started"]]
  ] as const satisfies ReadonlyArray<readonly [string, Answer, ReadonlyArray<string>]>) {
    it.effect(`fails where the real service fails: ${when}`, () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const error = yield* TaskExec.stream({ target: "web.1", command: ["true"] }).pipe(
          Stream.runForEach(({ _tag }) => Effect.sync(() => void seen.push(_tag))),
          Effect.flip
        )
        assert.deepStrictEqual([error._tag, seen], [answer._tag, [...tags]])
      }).pipe(withScript({ true: answer }))
    )
  }

  it.effect("a script that ends without Exited leaves the outcome unknown", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TaskExec.run({ target: "web.1", command: ["true"] }))
      assert.strictEqual(error._tag, "OutcomeUnknown")
    }).pipe(withScript({ true: Stream.empty }))
  )

  it.effect("a command without an answer is a defect that names it", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(TaskExec.run({ target: "web.1", command: ["rm", "-rf"] }))
      assert(exit._tag === "Failure" && Cause.hasDies(exit.cause))
      assert.include(Cause.pretty(exit.cause), 'no answer to "rm -rf" in web.1')
    }).pipe(withScript({ toString: {} }))
  )

  it.effect("runs in many tasks, with a failure in the result of its task", () =>
    Effect.gen(function* () {
      const events = yield* Stream.runCollect(
        TaskExec.runAll({ selection: { services: ["web", "agent"] }, command: ["true"] })
      )
      const finished = events.at(-1)
      assert(finished?._tag === "Finished")
      assert.deepStrictEqual(
        finished.results.map(({ result, task }) => [task.name, result._tag]),
        [
          ["agent@node-3", "Exited"],
          ["web.1", "Failed"],
          ["web.2", "Exited"]
        ]
      )
      // The command of web.1 did not reach its task.
      assert.lengthOf(yield* Calls.all, 2)
    }).pipe(withScript(({ task }) => (task.name === "web.1" ? notRunning() : { exitCode: 0 })))
  )

  it.effect("paces many tasks: starts no more after a failure", () =>
    Effect.gen(function* () {
      const pacing = {
        parallel: { _tag: "Count", count: 1 },
        maxFailures: { _tag: "Count", count: 0 }
      } as const
      yield* Stream.runDrain(TaskExec.runAll({ selection: { services: ["web"] }, command: ["false"], pacing }))
      assert.lengthOf(yield* Calls.all, 1)
    }).pipe(withScript({ false: { exitCode: 1 } }))
  )

  it.effect("filters by the labels of a service", () =>
    Effect.gen(function* () {
      const filters = [{ _tag: "Label", key: "tier", value: "front" }] as const
      yield* Stream.runDrain(TaskExec.runAll({ selection: { services: ["web", "agent"], filters }, command: ["true"] }))
      assert.deepStrictEqual(
        (yield* Calls.all).map(({ task }) => task.name),
        ["web.1", "web.2"]
      )
    }).pipe(withScript({ true: {} }))
  )
})

function notRunning() {
  const task = { id: "k3x8", name: "web.1", node: "node-1", state: "failed" }
  return new TaskNotRunning({ target: "web.1", task, reason: "task: non-zero exit (1)" })
}
