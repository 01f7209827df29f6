/** Doing to a run what its plan says. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { remove, request } from "../cluster/EngineApi.ts"
import type { EngineProxy } from "../cluster/EngineProxy.ts"
import { poll } from "../cluster/Poll.ts"
import type { ClusterNode, SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import type { Caller } from "./Caller.ts"
import type { Fault } from "./Plan.ts"
import type { SlowSocket } from "./SlowSocket.ts"
import { helperContainers, helperServices, leaderOf, setAvailability } from "./SwarmView.ts"
import type { Timeline } from "./Timeline.ts"

/** What there is to break. */
export interface Scene {
  readonly cluster: SwarmClusterShape
  readonly target: ClusterNode
  /** The container in which the command is to run. */
  readonly container: string
  readonly caller: Caller
  readonly proxy: EngineProxy
  readonly slow: SlowSocket
  readonly timeline: Timeline
}

/** Waits a while for the first of those, which may just be on their way. */
const first = <A, E>(look: Effect.Effect<ReadonlyArray<A>, E>) =>
  poll(
    Effect.map(look, (found) => Option.fromUndefinedOr(found[0])),
    { every: 50, atMost: 3000, orElse: Effect.succeed(undefined) }
  )

const restart = Effect.fnUntraced(function* ({ cluster, timeline }: Scene, node: ClusterNode, fault: Fault) {
  const signal = fault.hard ? "SIGKILL" : "SIGTERM"
  yield* timeline.note(`${signal} to the engine of ${node.name}`)
  yield* cluster.killEngine(node, signal)
  yield* timeline.note(`the engine of ${node.name} has ended`)
  yield* Effect.sleep(fault.lasting / 2)
  yield* timeline.note(`starting the engine of ${node.name}`)
  yield* cluster.startEngine(node)
  yield* timeline.note(`the engine of ${node.name} answers`)
})

const perform = Effect.fnUntraced(function* (scene: Scene, fault: Fault) {
  const { caller, cluster, container, proxy, slow, target, timeline } = scene
  const send = (signal: NodeJS.Signals) =>
    Effect.andThen(
      timeline.note(`${signal} to the caller`),
      Effect.sync(() => caller.send(signal))
    )
  switch (fault.name) {
    case "none":
      return
    case "caller-kill":
      return yield* send("SIGKILL")
    case "caller-int":
      return yield* send("SIGINT")
    case "caller-term":
      return yield* send("SIGTERM")
    case "helper-kill": {
      const helper = yield* first(helperContainers(target))
      if (helper === undefined) return yield* timeline.note("no helper's container to kill")
      yield* timeline.note(`KILL to the helper's container ${helper.Id.slice(0, 12)}`)
      yield* request(target.socket, "POST", `/containers/${helper.Id}/kill`)
      return
    }
    case "helper-remove": {
      const helper = yield* first(helperServices(cluster))
      if (helper === undefined) return yield* timeline.note("no helper's service to remove")
      yield* timeline.note(`removing the service ${helper.Spec.Name}`)
      yield* remove(cluster.manager.socket, `/services/${helper.ID}`)
      return
    }
    case "engine-restart":
      return yield* restart(scene, target, fault)
    case "leader-kill": {
      const leader = yield* leaderOf(cluster)
      if (leader === undefined) return yield* timeline.note("no leader to kill")
      return yield* restart(scene, leader, { ...fault, hard: true })
    }
    case "link-down":
      yield* timeline.note(`cable of ${target.name} pulled`)
      yield* cluster.link(target, "down")
      yield* Effect.sleep(fault.lasting)
      yield* cluster.link(target, "up")
      return yield* timeline.note(`cable of ${target.name} plugged in`)
    case "container-kill":
      yield* timeline.note(`KILL to the target's container ${container.slice(0, 12)}`)
      yield* request(target.socket, "POST", `/containers/${container}/kill`)
      return
    case "node-drain":
      yield* timeline.note(`draining ${target.name}`)
      yield* setAvailability(cluster, target, "drain")
      yield* Effect.sleep(fault.lasting)
      yield* setAvailability(cluster, target, "active")
      return yield* timeline.note(`${target.name} is active again`)
    case "socket-cut":
      for (const count of [1, 2]) {
        yield* timeline.note(`cutting the caller's connections (${count})`)
        yield* Effect.sync(proxy.cutAll)
        if (!fault.hard) return
        yield* Effect.sleep(fault.lasting / 10)
      }
      return
    case "socket-slow": {
      const delay = Math.round(fault.lasting / 40)
      yield* timeline.note(`the caller's connections get slow: ${delay} ms for each chunk`)
      yield* Effect.sync(() => slow.slowDown(delay))
    }
  }
})

/** Does it at its time. What can't be done is written down: the run goes on without. */
export const inject = (scene: Scene, fault: Fault): Effect.Effect<void> =>
  Effect.sleep(fault.at).pipe(
    Effect.andThen(perform(scene, fault)),
    Effect.catch((error) => scene.timeline.note(`${fault.name} could not be done: ${error.message}`))
  )
