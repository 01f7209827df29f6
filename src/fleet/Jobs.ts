/** What is to be done in each of many tasks, and how it gets there. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type FindAgents, linkTo } from "../agent/AgentLink.ts"
import type { AgentUnavailable } from "../agent/Agents.ts"
import { type RunRecording, recordRun, targetOf } from "../audit/Recording.ts"
import { type CheckedCommand, specOf } from "../ExecRequest.ts"
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
import type { RouteUnavailable } from "../route/HelperErrors.ts"
import type { HelperImage } from "../route/HelperImage.ts"
import { execHere, guardHere } from "../route/LocalRoute.ts"
import { type NodeHelper, openNodeHelper } from "../route/NodeHelper.ts"
import { chooseRoute } from "../route/Route.ts"
import { openSharedNetwork, openTunnelNetwork } from "../route/TunnelNetwork.ts"
import type { TaskExecError } from "../TaskExec.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/** Why a command was not begun. */
export type NotBegun = RouteUnavailable | AgentUnavailable | SwarmFailure

/** A task, and what is to be run in it. */
export interface Job {
  readonly task: ResolvedTask
  /** Begins it where it was planned to be. */
  readonly start: (input: ExecInput) => Effect.Effect<Underway, NotBegun, DockerEngine | Scope.Scope>
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
  readonly spec: ExecSpec
  readonly events: Stream.Stream<ExecEvent, TaskExecError, DockerEngine | HelperImage>
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

/** Groups the tasks by node: those of a node share a helper. */
export const makeJobs: MakeJobs = Effect.fnUntraced(function* (
  tasks: ReadonlyArray<ResolvedTask>,
  here: string,
  image: Effect.Effect<string>,
  checked: CheckedCommand,
  agents: FindAgents
) {
  const scope = yield* Effect.scope
  const routed = yield* Effect.forEach(tasks, (task) =>
    Effect.map(Effect.result(chooseRoute(task, checked.via, here, true)), (route) => ({
      task,
      route,
      spec: specOf(makeRunId(), task, checked)
    }))
  )
  const remote = Map.groupBy(
    routed.filter(({ route }) => route._tag === "Success" && route.success !== "local"),
    ({ task }) => task.node.id
  )
  const byHelper = new Map<ExecSpec, Job>()
  const owner = yield* makeOwnership(undefined)
  // One node needs no relay that others could share.
  const network = yield* (remote.size === 1 ? openTunnelNetwork : openSharedNetwork)(owner, yield* image)
  for (const [first, ...more] of remote.values()) {
    if (first === undefined) continue
    const nodeScope = yield* Scope.fork(scope)
    const { placementTimeout } = checked
    const place = { node: first.task.node, task: first.task.name, placementTimeout, image: yield* image }
    const group = [first, ...more] as const
    const specs = [first.spec, ...more.map(({ spec }) => spec)] as const
    const helper = yield* Scope.provide(
      openNodeHelper(
        place,
        yield* makeOwnership(undefined),
        specs,
        linkTo(checked.via, agents, here, place.node),
        network
      ),
      nodeScope
    )
    const node: NodeGroup = { scope: nodeScope, left: group.length }
    for (const [index, { spec, task }] of group.entries()) {
      const start = (input: ExecInput) => startThere(task, spec, helper, index, input)
      byHelper.set(spec, { task, start, leave: leaveNode(node) })
    }
  }
  const options = { image, owner: yield* makeOwnership(undefined) }
  const [first, ...more] = routed.filter(({ route }) => route._tag === "Success" && route.success === "local")
  const local: Here = {
    options,
    guard:
      first === undefined
        ? Effect.succeed(Guard.none)
        : yield* once(guardHere([endOf(first.spec), ...more.map(({ spec }) => endOf(spec))], options))
  }
  return routed.map(({ route, spec, task }): Job => {
    const start = (input: ExecInput) =>
      route._tag === "Failure" ? Effect.fail(route.failure) : startHere(task, spec, local, input)
    return byHelper.get(spec) ?? { task, start, leave: Effect.void }
  })
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
  return { task, spec, end, events: recording.events(events), recording }
})

const startThere = Effect.fnUntraced(function* (
  task: ResolvedTask,
  spec: ExecSpec,
  helper: NodeHelper,
  index: number,
  input: ExecInput
) {
  const recording = yield* recordRun(targetOf(task), yield* helper.route, spec)
  const { end, events } = helper.exec(index, recording.input(input))
  return { task, spec, end, events: recording.events(events), recording }
})

/** For a task that was not there when the others were chosen: by a helper of its own. */
export const startAlone = Effect.fnUntraced(function* (
  task: ResolvedTask,
  here: string,
  image: Effect.Effect<string>,
  checked: CheckedCommand,
  agents: FindAgents
): Effect.fn.Return<Underway, NotBegun, DockerEngine | Scope.Scope> {
  const spec = specOf(makeRunId(), task, checked)
  const route = yield* chooseRoute(task, checked.via, here, true)
  if (route === "local") {
    const options = { image, owner: yield* makeOwnership(undefined) }
    return yield* startHere(task, spec, { options, guard: guardHere([endOf(spec)], options) }, checked.input)
  }
  const { placementTimeout } = checked
  const place = { node: task.node, task: task.name, placementTimeout, image: yield* image }
  const helper = yield* openNodeHelper(
    place,
    yield* makeOwnership(undefined),
    [spec],
    linkTo(checked.via, agents, here, place.node)
  )
  return yield* startThere(task, spec, helper, 0, checked.input)
})
