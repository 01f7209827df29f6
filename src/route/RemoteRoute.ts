/** A command in a task on another node: by the node's agent, by a helper's log, or by a tunnel to a helper. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type AgentLink, type FindAgents, linkTo } from "../agent/AgentLink.ts"
import type { AgentUnavailable } from "../agent/Agents.ts"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import type { Ending } from "../executor/ExecutorErrors.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import type { RunError } from "../Run.ts"
import type { CheckedCommand } from "../request/ExecRequest.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { execByAgent } from "./AgentRoute.ts"
import { type RouteWithInput, routeOf } from "./EarlyInput.ts"
import { type HelperPlace, pullPatience } from "./Helper.ts"
import type { RouteUnavailable } from "./HelperErrors.ts"
import { endByHelper, execByHelper } from "./HelperRoute.ts"
import { execByTunnel } from "./TunnelRoute.ts"

/** A command under way, and how to send its processes a signal. */
export interface RemoteExec {
  readonly events: Stream.Stream<ExecEvent, RunError, DockerEngine>
  readonly end: (run: EndRun) => Effect.Effect<Ending, never, DockerEngine>
}

/** The way to a task, and the input that the command reads there. An agent's way is the connection to it. */
export type Way = RouteWithInput | { readonly route: "agent"; readonly link: AgentLink; readonly input: ExecInput }

/** Opens the way of a single command to its task, from the node `here`. */
export const openWay = Effect.fnUntraced(function* (
  task: ResolvedTask,
  here: string,
  checked: CheckedCommand,
  agents: FindAgents
): Effect.fn.Return<Way, AgentUnavailable | RouteUnavailable | SwarmFailure, DockerEngine | Scope.Scope> {
  const link = yield* linkTo(checked.via, agents, here, task.node)
  return typeof link === "string"
    ? yield* routeOf(task, here, link, checked)
    : { route: "agent", link, input: checked.input }
})

/** Runs the command when the events are taken. Input must have ended where a log is the route. */
export const execThere = (
  way: Exclude<Way, { readonly route: "local" }>,
  place: HelperPlace,
  spec: ExecSpec,
  input: ExecInput,
  owner: Ownership
): RemoteExec => {
  switch (way.route) {
    case "agent":
      return execByAgent(way.link, place, spec, owner, input)
    case "helper:tunnel":
      return execByTunnel(place, spec, owner, input)
    case "helper:logs":
      return { events: execByHelper(place, spec, owner, input.stdin), end: (run) => endByHelper(place, run) }
  }
}

/** Where its helper goes. */
export const placeOf = (
  { name, node }: ResolvedTask,
  image: string,
  { placementTimeout }: CheckedCommand
): HelperPlace => ({
  image,
  node,
  task: name,
  placementTimeout
})

/** Of a run of that command, which is all that there is to the run. */
export const ownerOf = (
  { grace, placementTimeout, timeout }: CheckedCommand,
  runId: string
): Effect.Effect<Ownership> =>
  makeOwnership(timeout === undefined ? undefined : placementTimeout + pullPatience + timeout + grace, runId)
