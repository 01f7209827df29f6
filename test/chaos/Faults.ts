/** Injects the faults of a plan. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type EngineApiError, remove, request } from "../cluster/EngineApi.ts"
import type { EngineProxy } from "../cluster/EngineProxy.ts"
import { poll, pollUntil } from "../cluster/Poll.ts"
import type { ClusterNode, SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import type { Caller } from "./Caller.ts"
import type { Fault } from "./Plan.ts"
import { agentContainers, helperContainers, helperServices, leaderOf, setAvailability } from "./SwarmView.ts"
import type { Timeline } from "./Timeline.ts"

/** The targets of faults. */
export interface Scene {
  readonly cluster: SwarmClusterShape
  /** The manager whose engine is the connected engine. */
  readonly manager: ClusterNode
  readonly target: ClusterNode
  /** Whether agents do the work of helpers. */
  readonly agents: boolean
  /** The running container of the command, if any. */
  readonly victims: Effect.Effect<ReadonlyArray<{ readonly Id: string }>, EngineApiError>
  readonly caller: Caller
  /** Whether an effect of the caller's work was observed. */
  readonly isUnderWay: () => boolean
  readonly proxy: EngineProxy
  readonly timeline: Timeline
}

/** The fault is impossible because its target does not exist. */
export class NothingToBreak extends Schema.TaggedError<NothingToBreak>()("NothingToBreak", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** How long the target of a fault may take to appear on a busy machine, in milliseconds. */
const startTimeout = 60_000

/** How long objects of a caller may still appear after its end, in milliseconds: its helper continues for a while. */
const afterwards = 3000

/** Polls for the target of a fault until shortly after the caller's end. */
const whileCallerRuns = <A, E, R>({ caller }: Scene, wait: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(
    wait,
    caller.ended.pipe(
      Effect.andThen(Effect.sleep(afterwards)),
      Effect.andThen(new NothingToBreak({ detail: "the caller has ended" }))
    )
  )

/** Waits for the first target, which may just be starting. */
const first = <A, E>(scene: Scene, look: Effect.Effect<ReadonlyArray<A>, E>, what: string) =>
  whileCallerRuns(
    scene,
    poll(
      Effect.map(look, (found) => Option.fromUndefinedOr(found[0])),
      {
        every: 50,
        atMost: startTimeout,
        orElse: Effect.suspend(() => new NothingToBreak({ detail: `there is no ${what}` }))
      }
    )
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

const killFirst = Effect.fnUntraced(function* (scene: Scene, node: ClusterNode, look: Scene["victims"], whose: string) {
  const { Id } = yield* first(scene, look, `${whose}'s container`)
  yield* scene.timeline.note(`KILL to the ${whose}'s container ${Id.slice(0, 12)} on ${node.name}`)
  yield* request(node.socket, "POST", `/containers/${Id}/kill`)
})

const perform = Effect.fnUntraced(function* (scene: Scene, fault: Fault) {
  const { caller, cluster, manager, proxy, target, timeline } = scene
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
    case "helper-kill":
      return yield* scene.agents
        ? killFirst(scene, target, agentContainers(target), "agent")
        : killFirst(scene, target, helperContainers(target), "helper")
    case "helper-remove": {
      // The caller's connection passes through the agent on the connected engine's node.
      if (scene.agents) return yield* killFirst(scene, manager, agentContainers(manager), "agent")
      const helper = yield* first(scene, helperServices(cluster), "helper's service")
      yield* timeline.note(`removing the service ${helper.Spec.Name}`)
      yield* remove(cluster.manager.socket, `/services/${helper.ID}`)
      return
    }
    case "engine-restart":
      return yield* restart(scene, target, fault)
    case "leader-kill": {
      const leader = yield* leaderOf(cluster)
      if (leader === undefined) return yield* new NothingToBreak({ detail: "there is no leader" })
      return yield* restart(scene, leader, { ...fault, hard: true })
    }
    case "link-down":
      yield* timeline.note(`cable of ${target.name} pulled`)
      yield* cluster.link(target, "down")
      yield* Effect.sleep(fault.lasting)
      yield* cluster.link(target, "up")
      return yield* timeline.note(`cable of ${target.name} plugged in`)
    case "container-kill":
      return yield* killFirst(scene, target, scene.victims, "target")
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
      yield* Effect.sync(() => proxy.slowDown(delay))
    }
  }
})

const moment = (scene: Scene, { after, at }: Fault) => {
  const running = whileCallerRuns(
    scene,
    pollUntil(Effect.sync(scene.isUnderWay), {
      atMost: startTimeout,
      orElse: Effect.suspend(() => new NothingToBreak({ detail: "the work has not begun" }))
    })
  )
  return Effect.andThen(after === "work" ? running : Effect.void, Effect.sleep(at))
}

/** Injects a fault at its time. Returns whether it happened. An impossible fault is recorded, and the run continues without it. */
export const inject = (scene: Scene, fault: Fault): Effect.Effect<boolean> =>
  moment(scene, fault).pipe(
    Effect.andThen(perform(scene, fault)),
    Effect.as(true),
    Effect.catch((error) => Effect.as(scene.timeline.note(`${fault.name} could not be done: ${error.message}`), false))
  )
