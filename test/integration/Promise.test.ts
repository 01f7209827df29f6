import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, type RunEvent, type Swarm } from "../../src/promise.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

/** Runs forever. */
const endless = ["sh", "-c", "echo up; while :; do sleep 0.1; done"]

/** A swarm for the test, and the names of a task on the connected engine and one on another node. */
const connected = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  const web = yield* Web
  const swarm = yield* Effect.acquireRelease(
    Effect.promise(() => connect({ host: manager.dockerHost })),
    ({ close }) => Effect.promise(close)
  )
  return { swarm, targets: [web.target(web.local), web.target(web.remote)] }
})

/** Runs the check for each of the two tasks. */
const forEach = (check: (swarm: Swarm, target: string) => Promise<void>) =>
  Effect.gen(function* () {
    const { swarm, targets } = yield* connected
    for (const target of targets) yield* Effect.promise(() => check(swarm, target))
  }).pipe(Effect.scoped)

/** The reason of a rejected promise. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it was not rejected"),
    (error: unknown) => error
  )

layer(Web.layer("promise"), { excludeTestServices: true, timeout: "180 seconds" })("task-exec/promise", (it) => {
  it.effect("run returns a result, with input of every kind", () =>
    forEach(async (swarm, target) => {
      const script = "cat; echo err >&2; exit 3"
      async function* pieces() {
        yield Buffer.from("a")
        yield Buffer.from("b")
      }
      for (const [stdin, expected] of [
        [undefined, ""],
        ["text", "text"],
        [Buffer.from([0, 255]), Buffer.from([0, 255]).toString()],
        [pieces(), "ab"]
      ] as const) {
        const request = { target, command: ["sh", "-c", script], ...(stdin === undefined ? {} : { stdin }) }
        const { exitCode, stderr, stdout } = await swarm.run(request)
        assert.deepStrictEqual([exitCode, text(stdout), text(stderr)], [3, expected, "err\n"])
      }
    })
  )

  it.effect("stream returns events, to the end or until the consumer stops", () =>
    forEach(async (swarm, target) => {
      const tags: Array<RunEvent["_tag"]> = []
      for await (const event of swarm.stream({ target, command: ["echo", "out"] })) tags.push(event._tag)
      assert.deepStrictEqual(tags, ["Resolved", "Started", "Stdout", "Exited"])
      // The leak check would find the command.
      for await (const event of swarm.stream({ target, command: endless })) if (event._tag === "Stdout") break
    })
  )

  it.effect("an AbortSignal kills the command and throws its reason", () =>
    forEach(async (swarm, target) => {
      const reason = new Error("enough")
      const aborter = new AbortController()
      const seen = async () => {
        for await (const event of swarm.stream({ target, command: endless }, { signal: aborter.signal })) {
          if (event._tag === "Stdout") aborter.abort(reason)
        }
      }
      assert.strictEqual(await rejection(seen()), reason)
      assert.strictEqual(await rejection(swarm.run({ target, command: endless }, { signal: aborter.signal })), reason)
      const late = await rejection(swarm.run({ target, command: endless }, { signal: AbortSignal.timeout(1000) }))
      assert(late instanceof DOMException && late.name === "TimeoutError")
    })
  )

  it.effect("fails with the errors of the library", () =>
    Effect.gen(function* () {
      const { swarm } = yield* connected
      const error = yield* Effect.promise(() => rejection(swarm.run({ target: "nothing", command: ["true"] })))
      assert.propertyVal(error, "_tag", "TaskNotFound")
      const address = yield* Effect.promise(() => rejection(connect({ host: "pigeon://loft" })))
      assert.propertyVal(address, "_tag", "InvalidEndpoint")
    }).pipe(Effect.scoped)
  )

  it.effect("runs commands in many tasks", () =>
    Effect.gen(function* () {
      const { swarm } = yield* connected
      const outputs = yield* Effect.promise(async () => {
        const outputs: Record<string, string> = {}
        const request = { selection: { services: ["promise"] }, command: ["sh", "-c", "cat; echo"], stdin: "same" }
        for await (const event of swarm.runAll(request)) {
          if (event._tag === "Stdout") outputs[event.task.name] = (outputs[event.task.name] ?? "") + text(event.data)
        }
        return outputs
      })
      assert.deepStrictEqual(outputs, { "promise.1": "same\n", "promise.2": "same\n", "promise.3": "same\n" })
    }).pipe(Effect.scoped)
  )
})
