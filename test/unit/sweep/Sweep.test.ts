import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { EngineError } from "../../../src/engine/EngineErrors.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { labelKeys } from "../../../src/Labels.ts"
import { isClean, sweepSwarm } from "../../../src/sweep/Sweep.ts"
import {
  alive,
  container,
  expired,
  info,
  network,
  node,
  now,
  of,
  refusal,
  running,
  secret,
  service,
  swarms,
  swept,
  unreachable
} from "./SweepScene.ts"

describe("sweep", () => {
  it.effect("removes only objects past their deadline, services before secrets", () =>
    Effect.gen(function* () {
      const { calls, report } = yield* swept({
        services: [service("old", expired), service("new", alive)],
        secrets: [secret("old", expired), secret("new", alive)],
        containers: [container("old", expired), container("new", alive), container("other", {})]
      })
      assert.deepStrictEqual(calls, ["service old", "secret old", "container old"])
      assert.deepStrictEqual(
        report.alive.map(({ id, kind, runId }) => [kind, id, runId]),
        [
          ["service", "new", "r"],
          ["secret", "new", "r"],
          ["container", "new", "r"]
        ]
      )
      assert.isTrue(report.leftovers.every(({ removed }) => removed))
      assert.deepStrictEqual([report.nodes, report.unanswered, isClean(report)], [["here"], [], true])
    })
  )

  it.effect("of named runs removes everything of them, alive or not, and nothing else", () =>
    Effect.gen(function* () {
      const { calls, report } = yield* swept(
        {
          services: [service("old", expired), service("b", of("b"))],
          secrets: [secret("old", expired), secret("b", of("b")), secret("c", of("c"))],
          containers: [
            container("old", expired),
            container("b", of("b")),
            container("its", { ...of("b"), ...swarms("b") }),
            container("others", { ...of("other"), ...swarms("other") })
          ]
        },
        { runs: ["b", "c", "nobody"] }
      )
      assert.deepStrictEqual(calls, ["service b", "secret b", "secret c", "container b"])
      assert.deepStrictEqual(new Set(report.leftovers.map(({ runId }) => runId)), new Set(["b", "c"]))
      assert.deepStrictEqual([report.alive, isClean(report)], [[], true])
      const none = yield* swept({ services: [service("old", expired)] }, { runs: [] })
      assert.deepStrictEqual([none.calls, none.report.leftovers, isClean(none.report)], [[], [], true])
    })
  )

  it.effect("of named runs lets a killer finish that works or is about to begin", () =>
    Effect.gen(function* () {
      const killing = of("b", "killer")
      let looks = 0
      const containers = [container("k", killing, "created")]
      const { calls } = yield* swept(
        {
          containers,
          engine: {
            inspectContainer: () =>
              Effect.suspend(() => (looks++ < 1 ? Effect.succeed(running) : Effect.fail(refusal(404, "gone"))))
          }
        },
        { runs: ["b"] }
      )
      assert.deepStrictEqual([calls, looks], [["container k"], 2])
      const stuck = yield* swept(
        { containers, engine: { inspectContainer: () => Effect.succeed(running) } },
        { runs: ["b"] }
      )
      assert.deepStrictEqual(stuck.calls, [])
      assert.match(
        stuck.report.leftovers[0]?.error ?? "",
        /^it is still killing the command of its run after 15 s\. Run "task-exec gc" again\.$/
      )
      assert.isFalse(isClean(stuck.report))
    })
  )

  it.effect("a dry run removes nothing", () =>
    Effect.gen(function* () {
      const { calls, report } = yield* swept(
        {
          services: [service("old", expired)],
          secrets: [secret("old", expired)],
          containers: [container("c", expired)]
        },
        { dryRun: true }
      )
      assert.deepStrictEqual(calls, [])
      assert.deepStrictEqual(
        report.leftovers.map(({ kind, removed }) => [kind, removed]),
        [
          ["service", false],
          ["secret", false],
          ["container", false]
        ]
      )
      assert.isFalse(isClean(report))
    })
  )

  it.effect("counts objects that do not exist any longer as removed", () =>
    Effect.gen(function* () {
      const gone = refusal(404, "no such thing")
      const { report } = yield* swept({
        services: [service("s", expired)],
        secrets: [secret("t", expired)],
        containers: [container("c", expired)],
        refuses: { s: gone, t: gone, c: gone }
      })
      assert.deepStrictEqual(
        report.leftovers.map(({ error, removed }) => [removed, error]),
        [
          [true, undefined],
          [true, undefined],
          [true, undefined]
        ]
      )
    })
  )

  it.effect("reports objects that cannot be removed, and removes the others", () =>
    Effect.gen(function* () {
      const { calls, report } = yield* swept({
        services: [service("s", expired), service("s2", expired)],
        secrets: [secret("t", expired), secret("t2", expired)],
        refuses: { s: unreachable, t: refusal(400, "secret t is in use by s") }
      })
      assert.deepStrictEqual(calls, ["service s", "service s2", "secret t", "secret t2"])
      assert.deepStrictEqual(
        report.leftovers.map(({ error, id, removed }) => [id, removed, error]),
        [
          ["s", false, unreachable.message],
          ["s2", true, undefined],
          ["t", false, "secret t is in use by s"],
          ["t2", true, undefined]
        ]
      )
      assert.isFalse(isClean(report))
    })
  )

  it.effect("reports unreadable labels, and does not remove their objects", () =>
    Effect.gen(function* () {
      const broken = { ...expired, [labelKeys.deadline]: "soon" }
      const { calls, report } = yield* swept({
        services: [service("s", broken)],
        containers: [container("c", broken)]
      })
      assert.deepStrictEqual(calls, [])
      assert.deepStrictEqual(
        report.unreadable.map(({ detail, id }) => [id, detail]),
        [
          ["s", 'label task-exec.deadline is not a time: "soon"'],
          ["c", 'label task-exec.deadline is not a time: "soon"']
        ]
      )
      assert.isFalse(isClean(report))
    })
  )

  it.effect(
    "leaves containers of a service to Swarm, and stops one that outlived its service before it removes it",
    () =>
      Effect.gen(function* () {
        const of = (id: string) => ({ ...expired, "com.docker.swarm.service.id": id })
        const signals: Array<string> = []
        let looks = 0
        const { calls, report } = yield* swept({
          services: [service("s", expired)],
          containers: [
            container("its", of("s")),
            container("orphan", of("gone")),
            container("ended", of("gone"), "exited")
          ],
          engine: {
            killContainer: (id, signal) => Effect.sync(() => void signals.push(`${signal} ${id}`)),
            inspectContainer: () =>
              looks++ < 3 ? Effect.fail(refusal(500, "busy")) : Effect.fail(refusal(404, "gone"))
          }
        })
        assert.deepStrictEqual(signals, ["TERM orphan"])
        assert.deepStrictEqual(calls, ["service s", "container ended"])
        // The engine does not report whether it removed the object.
        assert.deepStrictEqual(
          report.leftovers.map(({ error, id, removed }) => [id, removed, error]),
          [
            ["s", true, undefined],
            ["orphan", false, "busy"],
            ["ended", true, undefined]
          ]
        )
      })
  )

  it.effect("keeps and reports a container that outlived its service and does not stop", () =>
    Effect.gen(function* () {
      const { calls, report } = yield* swept({
        containers: [container("orphan", { ...expired, "com.docker.swarm.service.id": "gone" })],
        engine: { killContainer: () => Effect.void, inspectContainer: () => Effect.succeed(running) }
      })
      assert.deepStrictEqual(calls, [])
      assert.match(report.leftovers[0]?.error ?? "", /^it is still running after 15 s\. .*docker rm -f orphan$/)
      assert.isFalse(isClean(report))
    })
  )

  it.effect("waits for another program that removes the container", () =>
    Effect.gen(function* () {
      const { report } = yield* swept({
        containers: [container("c", expired)],
        refuses: { c: refusal(409, "removal of container c is already in progress") },
        engine: { inspectContainer: () => Effect.fail(refusal(404, "no such container")) }
      })
      assert.deepStrictEqual(report.leftovers[0]?.removed, true)
    })
  )

  it.effect("names nodes that cannot be looked at", () =>
    Effect.gen(function* () {
      const { report } = yield* swept({
        nodes: [node("n1"), node("n2", "down"), node("n3", "ready", "drain"), node("n4")],
        swarm: { createSecret: () => Effect.fail(unreachable) },
        engine: { listContainers: () => Effect.fail(unreachable) }
      })
      assert.deepStrictEqual(report.nodes, [])
      assert.deepStrictEqual(
        report.unanswered.map(({ hostname, reason }) => [hostname, reason]),
        [
          ["here", unreachable.message],
          ["host-n4", unreachable.message],
          ["host-n2", "the node is down. Check its engine."],
          ["host-n3", 'its availability is drain. Make it active, or run "task-exec gc --local" on it.']
        ]
      )
      assert.isFalse(isClean(report))
    })
  )

  it.effect("removes containers on a worker, but leaves those of services to Swarm", () =>
    Effect.gen(function* () {
      const { calls, report } = yield* swept(
        {
          swarm: {
            info: Effect.succeed({ ...info, Swarm: { ...info.Swarm, ControlAvailable: false } }),
            listServices: () => Effect.die("a worker was asked for services")
          },
          containers: [container("c", expired), container("t", { ...expired, "com.docker.swarm.service.id": "s" })]
        },
        { nodes: "local" }
      )
      assert.deepStrictEqual([calls, report.nodes, isClean(report)], [["container c"], ["here"], true])
    })
  )

  it.effect("of the swarm lists only services, secrets and networks", () =>
    Effect.gen(function* () {
      const removed: Array<string> = []
      const swarm = Layer.mock(Swarm)({
        host: "h",
        listServices: () => Effect.succeed([service("old", expired), service("new", alive)]),
        listSecrets: () => Effect.succeed([secret("old", expired)]),
        listNetworks: () => Effect.succeed([network("old", { ...expired, [labelKeys.run]: "another" })]),
        removeService: (id) => Effect.sync(() => void removed.push(`service ${id}`)),
        removeSecret: (id) => Effect.sync(() => void removed.push(`secret ${id}`)),
        removeNetwork: (id) => Effect.sync(() => void removed.push(`network ${id}`))
      })
      const report = yield* Effect.provide(sweepSwarm({ now }), swarm)
      assert.deepStrictEqual(removed, ["service old", "secret old", "network old"])
      assert.deepStrictEqual([report.alive.length, report.leftovers.length], [1, 3])
    })
  )

  it.effect("keeps a network as long as the service of its run, because a network's labels cannot change", () =>
    Effect.gen(function* () {
      const removed: Array<string> = []
      const ofRun = (labels: Readonly<Record<string, string>>, run: string) => ({ ...labels, "task-exec.run": run })
      const swarm = Layer.mock(Swarm)({
        host: "h",
        listServices: () => Effect.succeed([service("long", ofRun(alive, "long"))]),
        listSecrets: () => Effect.succeed([]),
        listNetworks: () =>
          Effect.succeed([network("long", ofRun(expired, "long")), network("lost", ofRun(expired, "lost"))]),
        removeNetwork: (id) => Effect.sync(() => void removed.push(id))
      })
      const report = yield* Effect.provide(sweepSwarm({ now }), swarm)
      assert.deepStrictEqual(removed, ["lost"])
      assert.strictEqual(report.alive.length, 2)
    })
  )

  for (const status of [400, 403, 500]) {
    it.effect(`tries again for a bounded time if the last tasks still use a network (HTTP ${status})`, () =>
      Effect.gen(function* () {
        let refusals = 0
        const text = status === 403 ? "it has active endpoints" : "network n is in use by task t"
        const held = new EngineError({ host: "h", operation: "remove", status, text })
        const swarm = (until: number) =>
          Layer.mock(Swarm)({
            host: "h",
            listServices: () => Effect.succeed([]),
            listSecrets: () => Effect.succeed([]),
            listNetworks: () => Effect.succeed([network("old", expired)]),
            removeNetwork: () => Effect.suspend(() => (refusals++ < until ? Effect.fail(held) : Effect.void))
          })
        const soon = yield* Effect.forkChild(Effect.provide(sweepSwarm({ now }), swarm(3)))
        yield* TestClock.adjust("1 second")
        assert.isTrue((yield* Fiber.join(soon)).leftovers[0]?.removed)
        const never = yield* Effect.forkChild(Effect.provide(sweepSwarm({ now }), swarm(Number.POSITIVE_INFINITY)))
        yield* TestClock.adjust("40 seconds")
        assert.strictEqual((yield* Fiber.join(never)).leftovers[0]?.error, text)
      })
    )
  }
})
