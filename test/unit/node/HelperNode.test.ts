import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { EngineError, EngineUnreachable, NotSwarmManager } from "../../../src/engine/EngineErrors.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { Node, type Task } from "../../../src/engine/SwarmSchemas.ts"
import { endOf } from "../../../src/executor/ExecSpec.ts"
import { HelperRejected } from "../../../src/helper/HelperErrors.ts"
import { isNothingRun } from "../../../src/index.ts"
import { makeOwnership } from "../../../src/Labels.ts"
import { openHelperConnection } from "../../../src/node/HelperConnection.ts"
import { openHelperNode } from "../../../src/node/HelperNode.ts"
import type { HelperTunnel } from "../../../src/node/HelperTunnel.ts"
import { taskOn } from "../engine/Tasks.ts"
import { plainSpec } from "../executor/Specs.ts"

const node = { id: "n", hostname: "host", state: "ready", availability: "active" }
const placement = { image: "image", node, task: "web.1", placementTimeout: 60_000 }
const readNode = Schema.decodeUnknownEffect(Node)

/** A swarm whose helper's task has this status and no output. Swarm deletes the task with its service. */
const swarmWith = (status: Partial<Task["Status"]>, other: Partial<Swarm["Service"]> = {}) => {
  const task = taskOn(node.id, "t", "")
  const seen = { ...task, Status: { ...task.Status, ...status } }
  const notFound = new EngineError({ host: "h", operation: "inspect task t", status: 404, text: "not found" })
  return Layer.mock(Swarm)({
    host: "h",
    engine: Effect.never,
    listNetworks: () => Effect.succeed([]),
    createNetwork: () => Effect.succeed("network"),
    removeNetwork: () => Effect.void,
    createSecret: () => Effect.succeed("secret"),
    removeSecret: () => Effect.void,
    createService: () => Effect.succeed({ id: "s", warnings: [] }),
    removeService: () => Effect.void,
    listTasks: () => Effect.succeed([seen]),
    inspectTask: () => Effect.fail(notFound),
    inspectNode: () => Effect.orDie(readNode({ ID: node.id, Version: { Index: 1 }, Status: { State: "ready" } })),
    serviceLogs: (_, { follow }) => Effect.succeed(follow ? Stream.never : Stream.empty),
    ...other
  })
}

/** Runs an effect while the test's clock advances. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
    return yield* Fiber.join(fiber)
  })

/** Starts a command and ends it before the helper's Hello. Returns the known outcome before and after. */
const endedEarly = (status: Partial<Task["Status"]>) =>
  Effect.gen(function* () {
    const { commands } = yield* openHelperNode({ placement, owner: makeOwnership(undefined) })
    const { exec } = yield* commands([plainSpec], 1)
    return yield* Effect.gen(function* () {
      const { end, events, mayHaveBegun } = yield* exec(0, { stdin: Stream.empty, sizes: Stream.empty })
      yield* Effect.forkScoped(Stream.runDrain(events))
      yield* Effect.sleep("1 second")
      const before = mayHaveBegun()
      const killResult = yield* end(endOf(plainSpec))
      return { before, killResult, after: mayHaveBegun() }
    }).pipe(Effect.scoped)
  }).pipe(Effect.scoped, Effect.provide(swarmWith(status)), inTime)

/** The error of a copy whose helper ends with this status before its Hello. */
const copyFailure = (status: Partial<Task["Status"]>) =>
  openHelperNode({ placement, owner: makeOwnership(undefined) }).pipe(
    Effect.flatMap(({ files }) => files("c", {})),
    Effect.flip,
    Effect.map(({ message }) => message),
    Effect.scoped,
    Effect.provide(swarmWith(status)),
    inTime
  )

describe("a helper that is stopped before it has greeted", () => {
  it.effect("has begun nothing if Swarm never ran its task", () =>
    Effect.gen(function* () {
      for (const State of ["pending", "preparing"]) {
        assert.deepStrictEqual(yield* endedEarly({ State }), {
          before: true,
          killResult: { _tag: "Killed" },
          after: false
        })
      }
    })
  )

  it.effect("may have begun its command if Swarm ran its task", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* endedEarly({ State: "running" }), {
        before: true,
        killResult: { _tag: "Killed" },
        after: true
      })
    })
  )
})

describe("a copy whose helper is killed", () => {
  it.effect("reports that nothing was copied", () =>
    Effect.gen(function* () {
      const text = yield* copyFailure({ State: "failed", Err: "task: non-zero exit (137)" })
      assert.include(
        text,
        "the helper on node host failed before it copied anything: failed: task: non-zero exit (137)"
      )
    })
  )

  it.effect("is lost if the helper may have begun it", () =>
    Effect.gen(function* () {
      const text = yield* copyFailure({ State: "shutdown" })
      assert.match(text, /lost the connection to node host: .*; the copy is incomplete/)
    })
  )
})

/** The error of a command whose helper keeps this status. */
const commandError = (status: Partial<Task["Status"]>, other: Partial<Swarm["Service"]> = {}) =>
  Effect.gen(function* () {
    const { commands } = yield* openHelperNode({ placement, owner: makeOwnership(undefined) })
    const { exec } = yield* commands([plainSpec], 1)
    const { events } = yield* exec(0, { stdin: Stream.empty, sizes: Stream.empty })
    return yield* Effect.flip(Stream.runDrain(events))
  }).pipe(Effect.scoped, Effect.provide(swarmWith(status, other)), inTime)

describe("a helper that does not start", () => {
  it.effect("is late, and has run nothing if Swarm never ran its task", () =>
    Effect.gen(function* () {
      const error = yield* commandError({ State: "pending" })
      assert.strictEqual(error._tag, "HelperNotPlaced")
      assert.isTrue(isNothingRun(error))
    })
  )

  it.effect("is late, and may have run the command if its node does not confirm the removal", () =>
    Effect.gen(function* () {
      const task = taskOn(node.id, "t", "")
      const assigned = { ...task, Status: { ...task.Status, State: "assigned" } }
      let isRemoved = false
      const error = yield* commandError(assigned.Status, {
        removeService: () =>
          Effect.sync(() => {
            isRemoved = true
          }),
        inspectTask: () => Effect.succeed(assigned),
        inspectNode: () => {
          const State = isRemoved ? "down" : "ready"
          return Effect.orDie(readNode({ ID: node.id, Version: { Index: 1 }, Status: { State } }))
        }
      })
      assert.deepInclude(error, { _tag: "HelperNotPlaced", mayRun: true })
      assert.isFalse(isNothingRun(error))
    })
  )

  it.effect("leaves the outcome unknown if Swarm runs its task before the service is removed", () =>
    Effect.gen(function* () {
      const task = taskOn(node.id, "t", "")
      let isRemoved = false
      const error = yield* commandError(
        {},
        {
          listTasks: () => Effect.succeed([{ ...task, Status: { ...task.Status, State: "pending" } }]),
          removeService: () =>
            Effect.sync(() => {
              isRemoved = true
            }),
          inspectTask: () =>
            Effect.sync(() => ({ ...task, Status: { ...task.Status, State: isRemoved ? "failed" : "running" } }))
        }
      )
      assert.deepInclude(error, { _tag: "OutcomeUnknown" })
      assert.include(error.message, "cannot start a helper on node host: its task was still pending after 60")
      assert.isFalse(isNothingRun(error))
    })
  )
})

describe("a manager that fails", () => {
  const asked = { host: "h", operation: "create a service" }
  const lost = new EngineUnreachable({ ...asked, reason: "Lost", detail: "the connection was closed" })
  const refused = new EngineUnreachable({ ...asked, reason: "Refused", detail: "connection refused" })
  const denied = new EngineError({ ...asked, status: 500, text: "no" })
  const worker = new NotSwarmManager({ ...asked, state: "worker", managers: [] })

  it.effect("before it has the helper's service fails the run with its error, and nothing has run", () =>
    Effect.gen(function* () {
      for (const failed of [lost, refused, denied, worker]) {
        const error = yield* commandError({}, { createSecret: () => Effect.fail(failed) })
        assert.strictEqual(error, failed)
        assert.isTrue(isNothingRun(error))
      }
      for (const failed of [refused, denied, worker]) {
        assert.strictEqual(yield* commandError({}, { createService: () => Effect.fail(failed) }), failed)
      }
    })
  )

  it.effect("while it creates the helper's service, or later, leaves the outcome unknown", () =>
    Effect.gen(function* () {
      const errors = [
        yield* commandError({}, { createService: () => Effect.fail(lost) }),
        ...(yield* Effect.forEach([lost, refused, denied, worker], (failed) =>
          commandError({ State: "pending" }, { listTasks: () => Effect.fail(failed) })
        ))
      ]
      for (const error of errors) {
        assert.strictEqual(error._tag, "OutcomeUnknown")
        assert.include(error.message, "the outcome of the command is unknown: cannot ")
        assert.isFalse(isNothingRun(error))
      }
    })
  )
})

describe("a tunnel that the helper's node can't join", () => {
  const rejected = new HelperRejected({ node: "host", reason: "no such device" })
  const helperTunnel: HelperTunnel = {
    request: { key: "key", networks: ["network"], from: "start" },
    tunnel: Effect.fail(rejected),
    reachable: () => undefined,
    unreachable: () => undefined
  }
  /** The error of the tunnel to a helper that starts these commands at once. */
  const tunnelError = Effect.fnUntraced(
    function* (begin: ReadonlyArray<number>) {
      const work = { _tag: "Exec", specs: [plainSpec], begin } as const
      const owner = yield* makeOwnership(undefined)
      const { tunnel } = yield* openHelperConnection({ placement, owner, work, helperTunnel })
      yield* Effect.sleep("1 second")
      return yield* Effect.flip(tunnel)
    },
    Effect.scoped,
    Effect.provide(swarmWith({ State: "running" })),
    inTime
  )

  it.effect("does not tell whether a command has run that begins without it", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* tunnelError([]), rejected)
      assert.isTrue(isNothingRun(rejected))
      const error = yield* tunnelError([0])
      assert.deepInclude(error, { _tag: "HelperRejected", reason: "no such device" })
      assert.isFalse(isNothingRun(error))
    })
  )
})
