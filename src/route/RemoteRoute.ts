/** A command in a task on another node: by the node's agent, by a helper's log, or by a tunnel to a helper. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { AgentLink } from "../agent/AgentLink.ts"
import type { CheckedCommand } from "../ExecRequest.ts"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import type { Ending } from "../executor/ExecutorErrors.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import type { TaskExecError } from "../TaskExec.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { execByAgent } from "./AgentRoute.ts"
import { type HelperPlace, pullPatience } from "./Helper.ts"
import { endByHelper, execByHelper } from "./HelperRoute.ts"
import type { Route } from "./Route.ts"
import { execByTunnel } from "./TunnelRoute.ts"

/** A command under way, and how to send its processes a signal. */
export interface RemoteExec {
  readonly events: Stream.Stream<ExecEvent, TaskExecError, DockerEngine>
  readonly end: (run: EndRun) => Effect.Effect<Ending, never, DockerEngine>
}

/** Runs it when the events are taken: over the `link` if there is one. Input must have ended where a log is the route. */
export const execThere = (
  route: Exclude<Route, "local">,
  link: AgentLink | undefined,
  place: HelperPlace,
  spec: ExecSpec,
  input: ExecInput,
  owner: Ownership
): RemoteExec => {
  if (link !== undefined) return execByAgent(link, place, spec, owner, input)
  if (route === "helper:tunnel") return execByTunnel(place, spec, owner, input)
  return { events: execByHelper(place, spec, owner, input.stdin), end: (run) => endByHelper(place, run) }
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
