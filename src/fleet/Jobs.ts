/** What is to be done in each of many tasks, and how it gets there. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type FindAgents, linkTo } from "../agent/AgentLink.ts"
import type { AgentUnavailable } from "../agent/Agents.ts"
import { type RunRecording, recordRun, targetOf } from "../audit/Recording.ts"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { EngineUnreachable, SwarmFailure } from "../engine/EngineErrors.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import type { Ending } from "../executor/ExecutorErrors.ts"
import { Guard } from "../executor/Guard.ts"
import type { KillerOptions } from "../executor/ProcessKiller.ts"
import { once } from "../internal/Once.ts"
import { makeOwnership, makeRunId } from "../Labels.ts"
import type { RunError } from "../Run.ts"
import { type CheckedCommand, specOf } from "../request/ExecRequest.ts"
import { readEarly } from "../route/EarlyInput.ts"
import type { RouteUnavailable } from "../route/HelperErrors.ts"
import type { HelperImage } from "../route/HelperImage.ts"
import { execHere, guardHere } from "../route/LocalRoute.ts"
import { type NodeHelper, openNodeHelper } from "../route/NodeHelper.ts"
import { execThere, openWay, ownerOf, placeOf } from "../route/RemoteRoute.ts"
import { chooseRoute, type Route } from "../route/Route.ts"
import { openTunnelNetwork } from "../route/TunnelNetwork.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/** Why a command was not begun. */
export type NotBegun = RouteUnavailable | AgentUnavailable | SwarmFailure

/** A task, and what is to be run in it. */
export interface Job {
  readonly task: ResolvedTask
  /** Begins it where it was planned to be. */
  readonly start: Effect.Effect<Underway, NotBegun, DockerEngine | Scope.Scope>
  /** To be run once it is over, whether it was begun or not. The last one out takes their helper away. */
  readonly leave: Effect.Effect<void>
}

/** What the jobs on the engine at hand have in common: one guard for all of them. */
interface Here {
  readonly options: KillerOptions
  readonly guard: Effect.Effect<Layer.Layer<Guard>, EngineUnreachable, DockerEngine | Scope.Scope>
}

/** The jobs of one node. Its helper goes away with the last of them. */
interface NodeGroup {
  readonly scope: Scope.Closeable
  left: number
}

/** A command under way, in the container that its task has now. */
export interface Underway {
  readonly task: ResolvedTask
  readonly route: Route
  readonly spec: ExecSpec
  readonly events: Stream.Stream<ExecEvent, RunError, DockerEngine | HelperImage>
  readonly end: (run: EndRun) => Effect.Effect<Ending, never, DockerEngine | HelperImage>
  readonly recording: RunRecording
}

/** Plans the commands for the tasks. Nothing is made yet. */
export type MakeJobs = (
  tasks: ReadonlyArray<ResolvedTask>,
  here: string,
  image: Effect.Effect<string>,
  checked: CheckedCommand,
  agents: FindAgents
) => Effect.Effect<ReadonlyArray<Job>, never, DockerEngine | Scope.Scope>

/** Groups the tasks by node: those of a node share a helper, and each of the others has its own. */
export const makeJobs: MakeJobs = Effect.fnUntraced(function* (
  tasks: ReadonlyArray<ResolvedTask>,
  here: string,
  image: Effect.Effect<string>,
  checked: CheckedCommand,
  agents: FindAgents
) {
  const routed = (yield* routesTo(tasks, here, checked)).map(
    (way): Routed => ({ ...way, spec: specOf(makeRunId(), way.task, checked) })
  )
  const remote = Map.groupBy(
    routed.filter(({ route }) => route === "helper:tunnel" || route === "agent"),
    ({ task }) => task.node.id
  )
  const sharing = yield* shareHelpers([...remote.values()], here, yield* image, checked, agents)
  const local = yield* shareGuard(
    routed.filter(({ route }) => route === "local"),
    image
  )
  return routed.map(({ route, spec, task }): Job => {
    const alone = (start: Job["start"]): Job => ({ task, start, leave: Effect.void })
    if (route === "local") return alone(startHere(task, spec, local, checked.input))
    if (typeof route !== "string") return alone(Effect.fail(route))
    return sharing.get(spec) ?? alone(startAlone(task, here, image, checked, agents, spec))
  })
})

/** A task, and which way leads there. */
interface Way {
  readonly task: ResolvedTask
  readonly route: Route | RouteUnavailable
}

/**
 * Chooses the routes to the tasks. Tasks that share a helper need a tunnel to it. A task that is the only one of its node goes by
 * its helper's log if a single command would, which takes a second less. The input of a fan-out can be read more than once.
 */
export const routesTo = (
  tasks: ReadonlyArray<ResolvedTask>,
  here: string,
  { input, stdin, via }: CheckedCommand
): Effect.Effect<ReadonlyArray<Way>> =>
  Effect.gen(function* () {
    const byNode = Map.groupBy(tasks, ({ node }) => node.id)
    const isShared = ({ node }: ResolvedTask) => (byNode.get(node.id)?.length ?? 0) > 1
    const goesOn = stdin && !(yield* readEarly(input.stdin)).isWhole
    return yield* Effect.forEach(tasks, (task) =>
      via === "agent"
        ? Effect.succeed<Way>({ task, route: via })
        : chooseRoute(task, via, here, goesOn || isShared(task)).pipe(
            Effect.catch((error) => Effect.succeed(error)),
            Effect.map((route): Way => ({ task, route }))
          )
    )
  }).pipe(Effect.scoped)

/** What is to be run there, besides. */
interface Routed extends Way {
  readonly spec: ExecSpec
}

/** The jobs of some nodes, each with a helper for all of its tasks, by what is to be run. */
const shareHelpers = Effect.fnUntraced(function* (
  groups: ReadonlyArray<ReadonlyArray<Routed>>,
  here: string,
  image: string,
  checked: CheckedCommand,
  agents: FindAgents
) {
  const scope = yield* Effect.scope
  const owner = yield* makeOwnership(undefined)
  const network = yield* openTunnelNetwork(owner, image, groups.length)
  const jobs = new Map<ExecSpec, Job>()
  for (const [first, ...more] of groups) {
    if (first === undefined) continue
    const nodeScope = yield* Scope.fork(scope)
    const place = placeOf(first.task, image, checked)
    const helper = yield* Scope.provide(
      openNodeHelper(
        place,
        yield* makeOwnership(undefined),
        [first.spec, ...more.map(({ spec }) => spec)],
        linkTo(checked.via, agents, here, place.node),
        network
      ),
      nodeScope
    )
    const group = [first, ...more]
    const leave = leaveNode({ scope: nodeScope, left: group.length })
    for (const [index, { spec, task }] of group.entries()) {
      jobs.set(spec, { task, start: startThere(task, spec, helper, index, checked.input), leave })
    }
  }
  return jobs
})

/** What the jobs on the engine at hand have in common. */
const shareGuard = Effect.fnUntraced(function* (routed: ReadonlyArray<Routed>, image: Effect.Effect<string>) {
  const options = { image, owner: yield* makeOwnership(undefined) }
  const [first, ...more] = routed.map(({ spec }) => endOf(spec))
  const guard = first === undefined ? Effect.succeed(Guard.none) : yield* once(guardHere([first, ...more], options))
  return { options, guard } satisfies Here
})

/** How the run of a command is ended. */
export const endOf = ({ container, grace, runId, signal }: ExecSpec): EndRun => ({ runId, container, signal, grace })

/** The last one out takes the helper away. */
const leaveNode = (node: NodeGroup) =>
  Effect.suspend(() => {
    node.left--
    return node.left === 0 ? Scope.close(node.scope, Exit.void) : Effect.void
  })

const startHere = Effect.fnUntraced(function* (
  task: ResolvedTask,
  spec: ExecSpec,
  { guard, options }: Here,
  input: ExecInput
) {
  const recording = yield* recordRun(targetOf(task), "local", spec)
  const { end, events } = yield* execHere(spec, options, recording.input(input), yield* guard)
  return { task, route: "local" as const, spec, end, events: recording.events(events), recording }
})

const startThere = Effect.fnUntraced(function* (
  task: ResolvedTask,
  spec: ExecSpec,
  helper: NodeHelper,
  index: number,
  input: ExecInput
) {
  const route = yield* helper.route
  const recording = yield* recordRun(targetOf(task), route, spec)
  const { end, events } = helper.exec(index, recording.input(input))
  return { task, route, spec, end, events: recording.events(events), recording }
})

/** By a helper of its own, or by the agent: as a single command is. */
export const startAlone = Effect.fnUntraced(function* (
  task: ResolvedTask,
  here: string,
  image: Effect.Effect<string>,
  checked: CheckedCommand,
  agents: FindAgents,
  spec = specOf(makeRunId(), task, checked)
): Effect.fn.Return<Underway, NotBegun, DockerEngine | Scope.Scope> {
  const owner = yield* ownerOf(checked, spec.runId)
  const way = yield* openWay(task, here, checked, agents)
  const { input, route } = way
  if (way.route === "local") {
    const options = { image, owner }
    return yield* startHere(task, spec, { options, guard: guardHere([endOf(spec)], options) }, input)
  }
  const recording = yield* recordRun(targetOf(task), route, spec)
  const place = placeOf(task, yield* image, checked)
  const { end, events } = execThere(way, place, spec, recording.input(input), owner)
  return { task, route, spec, end, events: recording.events(events), recording }
})
