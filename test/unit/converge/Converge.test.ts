/** Waits for services, over a scripted swarm that changes with time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { type ConvergeRequest, watchConvergence } from "../../../src/converge/Converge.ts"
import type { ServiceProgress } from "../../../src/converge/ServiceProgress.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import * as Api from "../../../src/engine/SwarmSchemas.ts"

const decodeService = Schema.decodeUnknownSync(Api.Service)
const decodeTask = Schema.decodeUnknownSync(Api.TaskDetails)
const decodeNode = Schema.decodeUnknownSync(Api.Node)

const spec = (image: string, more: object = {}) => ({ ContainerSpec: { Image: image }, ...more })

interface ServiceParts {
  readonly image?: string
  readonly template?: object
  readonly mode?: object
  readonly update?: { readonly State: string; readonly Message: string }
  readonly job?: number
}

const service = (name: string, { image = "web:2", job, mode, template, update }: ServiceParts = {}): Api.Service =>
  decodeService({
    ID: `id-${name}`,
    Spec: {
      Name: name,
      Mode: mode ?? { Replicated: { Replicas: 2 } },
      Labels: { "com.docker.stack.namespace": "shop" },
      TaskTemplate: spec(image, template)
    },
    ...(update === undefined ? {} : { UpdateStatus: update }),
    ...(job === undefined ? {} : { JobStatus: { JobIteration: { Index: job } } })
  })

interface TaskParts {
  readonly of?: string
  readonly slot?: number
  readonly node?: string
  readonly state?: string
  readonly desired?: string
  readonly error?: string
  readonly image?: string
  readonly template?: object
  readonly job?: number
  /** Orders the tasks of one slot or node by their creation. */
  readonly made?: number
  /** When the managers recorded its state, in milliseconds of the test's clock. The swarm's clock may be ahead of it. */
  readonly updated?: number
}

const task = ({
  desired = "running",
  error,
  image = "web:2",
  job,
  made = 1,
  node = "node-1",
  of = "web",
  slot,
  state = "running",
  template,
  updated = 0
}: TaskParts): Api.TaskDetails =>
  decodeTask({
    ID: `task-${of}-${slot ?? node}-${made}`,
    CreatedAt: `2026-01-01T00:00:0${made}Z`,
    UpdatedAt: new Date(updated).toISOString(),
    ServiceID: `id-${of}`,
    NodeID: `id-${node}`,
    DesiredState: desired,
    Spec: spec(image, template),
    Status: { State: state, Message: `${state} it`, ...(error === undefined ? {} : { Err: error }) },
    ...(slot === undefined ? {} : { Slot: slot }),
    ...(job === undefined ? {} : { JobIteration: { Index: job } })
  })

interface Seen {
  readonly services: ReadonlyArray<Api.Service>
  readonly tasks: ReadonlyArray<Api.TaskDetails>
}

/** A swarm that returns the nth state at the nth check, and the last one from then on. */
const watch = (looks: ReadonlyArray<Seen>, request: ConvergeRequest, latency = 0) => {
  let nth = 0
  let counted = 0
  const now = (): Seen => looks[Math.min(nth, looks.length - 1)] ?? { services: [], tasks: [] }
  const swarm = Layer.mock(Swarm)({
    host: "test://swarm",
    listServices: () => Effect.sync(() => now().services),
    listTaskDetails: () =>
      Effect.sync(() => {
        const { tasks } = now()
        nth++
        counted++
        return tasks
      }).pipe(Effect.delay(latency)),
    listNodes: () =>
      Effect.succeed(
        ["node-1", "node-2"].map((name) => decodeNode({ ID: `id-${name}`, Description: { Hostname: name } }))
      )
  })
  const seen: Array<ReadonlyArray<ServiceProgress>> = []
  const run = watchConvergence(request).pipe(
    Stream.runForEach((services) => Effect.sync(() => void seen.push(services))),
    Effect.provide(swarm)
  )
  return { run, seen, looks: () => counted }
}

const both = [task({ slot: 1 }), task({ slot: 2, node: "node-2" })]

/** Runs an effect for this time of the test's clock. Fails if it does not end. */
const within = <A, E, R>(effect: Effect.Effect<A, E, R>, time: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* TestClock.adjust(time)
    const exit = fiber.pollUnsafe()
    if (exit === undefined) {
      yield* Fiber.interrupt(fiber)
      return "still waits" as const
    }
    return yield* exit
  })

const failureOf = (looks: ReadonlyArray<Seen>, request: ConvergeRequest, time = 60_000) =>
  Effect.map(Effect.flip(within(watch(looks, request).run, time)), (error) => `${error._tag}: ${error.message}`)

describe("a wait for services", () => {
  it.effect("ends when the tasks have run for 5 seconds", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const looks = [{ services: [service("web")], tasks: both.map((one) => ({ ...one, UpdatedAt: at(1_000_000) })) }]
      const { run, seen } = watch(looks, { services: ["web"] })
      assert.strictEqual(yield* within(run, 4900), "still waits")
      assert.deepStrictEqual(seen.at(-1)?.[0]?.waitingFor, [
        "web.1 on node-1: running for less than 5 s",
        "web.2 on node-2: running for less than 5 s"
      ])
      const again = watch(looks, { services: ["web"] })
      assert.isUndefined(yield* within(again.run, 6000))
      assert.deepStrictEqual(again.seen.at(-1), [
        { id: "id-web", service: "web", image: "web:2", wanted: 2, ready: 2, isConverged: true, waitingFor: [] }
      ])
    })
  )

  it.effect("ends at the first check if the tasks have run for minutes", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const { looks, run } = watch([{ services: [service("web")], tasks: both }], { stack: "shop" })
      assert.isUndefined(yield* within(run, 0))
      assert.strictEqual(looks(), 1)
    })
  )

  it.effect("counts the 5 seconds of a restarted task from its restart", () =>
    Effect.gen(function* () {
      const starting = (made: number) => task({ slot: 1, made, updated: 1_000_000 })
      const failed = task({ slot: 1, state: "failed", desired: "shutdown", error: "non-zero exit (3)" })
      const services = [service("web", { mode: { Replicated: { Replicas: 1 } } })]
      const looks = [
        ...Array.from({ length: 8 }, () => ({ services, tasks: [starting(1)] })),
        { services, tasks: [failed, starting(2)] }
      ]
      yield* TestClock.setTime(1_000_000)
      const { run, seen } = watch(looks, { services: ["web"] })
      assert.strictEqual(yield* within(run, 8500), "still waits")
      assert.deepStrictEqual(seen.at(-1)?.[0]?.waitingFor, [
        "web.1 on node-1: running for less than 5 s; the task before it failed: non-zero exit (3)"
      ])
    })
  )

  it.effect("does not count tasks of an older spec, also without an update; the error names both images", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const tasks = [task({ slot: 1 }), task({ slot: 2, image: "web:1@sha256:00" })]
      assert.strictEqual(
        yield* failureOf([{ services: [service("web")], tasks }], { services: ["web"], timeout: "30 seconds" }),
        "ConvergeTimedOut: timed out after 30 s: service web has 1 of 2 tasks ready (web.2 on node-1 runs web:1, not web:2)"
      )
    })
  )

  it.effect("continues while Swarm monitors the update", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const update = { State: "updating", Message: "update in progress" }
      const { run, seen } = watch([{ services: [service("web", { update })], tasks: both }], { services: ["web"] })
      assert.strictEqual(yield* within(run, 10_000), "still waits")
      assert.deepStrictEqual(seen.at(-1)?.[0]?.waitingFor, ["update in progress"])
    })
  )

  for (const state of ["paused", "rollback_paused", "rollback_completed"]) {
    it.effect(`fails at once if the update is ${state.replace("_", " ")}, with the last failed task`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(1_000_000)
        const update = { State: state, Message: "update paused due to failure of task x" }
        const failed = task({ slot: 2, state: "failed", desired: "shutdown", error: "non-zero exit (1)" })
        const looks = [{ services: [service("web", { update })], tasks: [...both, failed] }]
        assert.strictEqual(
          yield* failureOf(looks, { services: ["web"] }, 0),
          `ServiceNotConverged: service web did not converge: update paused due to failure of task x; web.2 on node-1 failed: non-zero exit (1). Run "task-exec ls web" to list its tasks.`
        )
      })
    )
  }

  it.effect("counts completed tasks as ready, unless Swarm restarts them", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const result = (condition: string) => {
        const template = { RestartPolicy: { Condition: condition } }
        const done = (slot: number) => task({ slot, state: "complete", desired: "shutdown", template })
        return within(
          watch([{ services: [service("web", { template })], tasks: [done(1), done(2)] }], { services: ["web"] }).run,
          20_000
        )
      }
      assert.isUndefined(yield* result("on-failure"))
      assert.isUndefined(yield* result("none"))
      assert.strictEqual(yield* result("any"), "still waits")
    })
  )

  it.effect("fails if Swarm has not replaced a failed task for 5 seconds, unless fewer tasks are wanted", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const failed = task({ slot: 2, state: "failed", desired: "shutdown", error: "exit (3)", updated: 1_000_000 })
      const looks = [{ services: [service("web")], tasks: [task({ slot: 1 }), failed] }]
      assert.strictEqual(yield* within(watch(looks, { services: ["web"] }).run, 4900), "still waits")
      assert.strictEqual(
        yield* failureOf(looks, { services: ["web"] }),
        'ServiceNotConverged: service web did not converge: web.2 on node-1 failed, and Swarm does not restart it: exit (3). Run "task-exec ls web" to list its tasks.'
      )
      const smaller = service("web", { mode: { Replicated: { Replicas: 1 } } })
      assert.isUndefined(
        yield* within(
          watch([{ services: [smaller], tasks: [task({ slot: 1 }), failed] }], { services: ["web"] }).run,
          0
        )
      )
    })
  )

  it.effect("waits for the completions of the current run of a job", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const mode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 2 } }
      const job = service("web", { mode, job: 7 })
      const done = (parts: TaskParts) => task({ state: "complete", desired: "complete", job: 7, ...parts })
      const old = done({ slot: 1, job: 6 })
      // The first slot has no number, on any node.
      const elsewhere = done({ node: "node-2", state: "failed", desired: "shutdown", made: 0 })
      const looks = (tasks: ReadonlyArray<Api.TaskDetails>) => [{ services: [job], tasks }]
      const running = done({ slot: 1, state: "running", made: 2 })
      const { run, seen } = watch(looks([old, elsewhere, done({}), running]), { services: ["web"] })
      assert.strictEqual(yield* within(run, 10_000), "still waits")
      assert.deepStrictEqual(seen.at(-1)?.[0]?.waitingFor, ["web.1 on node-1: running"])
      assert.isUndefined(yield* within(watch(looks([old, done({}), done({ slot: 1 })]), { services: ["web"] }).run, 0))
    })
  )

  it.effect("waits for all tasks of a global service, and 5 seconds for the first one", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_000_000)
      const mode = { Global: {} }
      const looks = (tasks: ReadonlyArray<Api.TaskDetails>) => [{ services: [service("web", { mode })], tasks }]
      const down = task({ node: "node-2", state: "running", desired: "shutdown" })
      const some = watch(looks([task({}), down]), { services: ["web"] })
      assert.isUndefined(yield* within(some.run, 0))
      assert.deepStrictEqual([some.seen.at(-1)?.[0]?.wanted, some.seen.at(-1)?.[0]?.ready], [1, 1])
      assert.strictEqual(yield* within(watch(looks([]), { services: ["web"] }).run, 4900), "still waits")
      assert.isUndefined(yield* within(watch(looks([]), { services: ["web"] }).run, 6000))
    })
  )

  it.effect("fails for an invalid timeout", () =>
    Effect.gen(function* () {
      const looks = [{ services: [service("web")], tasks: both }]
      assert.match(
        yield* failureOf(looks, { services: ["web"], timeout: Number.NaN }),
        /^InvalidRequest: invalid request: timeout must be a duration such as "90 seconds", not NaN/
      )
    })
  )

  it.effect("fails for an unknown service, and for one that is removed meanwhile", () =>
    Effect.gen(function* () {
      const present = { services: [service("web")], tasks: [] }
      assert.match(yield* failureOf([present], { services: ["wed"] }), /^NothingSelected: .*service wed does not exist/)
      assert.match(
        yield* failureOf([present, { services: [], tasks: [] }], { services: ["web"] }),
        /^ServiceNotConverged: service web did not converge: it was removed/
      )
    })
  )

  it.effect("checks again after half a second, and later if a check is slow", () =>
    Effect.gen(function* () {
      const looks = [{ services: [service("web")], tasks: [] }]
      const quick = watch(looks, { services: ["web"] })
      yield* within(quick.run, 9900)
      assert.strictEqual(quick.looks(), 20)
      const slow = watch(looks, { services: ["web"] }, 2000)
      // The first check starts at 0 s and ends at 2 s. The next one is after 20 s.
      yield* within(slow.run, 21_900)
      assert.strictEqual(slow.looks(), 1)
      const longer = watch(looks, { services: ["web"] }, 2000)
      yield* within(longer.run, 24_100)
      assert.strictEqual(longer.looks(), 2)
    })
  )
})

const at = (millis: number) => new Date(millis).toISOString()
