/**
 * The stages of a run, one by one, for programs that compose them by hand: look up the task (`lookupTask`), create a service that Swarm
 * may run on the task's node only (`createHelper`), exec (`exec`), await the exit (`awaitExit`), clean up (the scope closes).
 *
 * `TaskExec` does more: it creates no service if the connected engine runs the task or an agent serves the node, shows output before the
 * tunnel is open, paces many commands, and records them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { TunnelLost } from "./carrier/Tunnel.ts"
import { Swarm } from "./engine/Swarm.ts"
import { type ExecEvent, runToEnd } from "./executor/ExecEvent.ts"
import { endOf, type Signal } from "./executor/ExecSpec.ts"
import { type Ending, OutcomeUnknown, unconfirmed } from "./executor/ExecutorErrors.ts"
import { HelperFailed } from "./helper/HelperErrors.ts"
import { HelperImage } from "./helper/HelperImage.ts"
import { makeOwnership, makeRunId } from "./Labels.ts"
import { endManyByHelper, secondHelperPatience } from "./node/EndByHelper.ts"
import { openTunneledHelper } from "./node/HelperNode.ts"
import { converse } from "./protocol/Client.ts"
import { encodeOrder } from "./protocol/Order.ts"
import type { RunError } from "./Run.ts"
import { type CommandRequest, checkCommand, checkNoOneOff, specOf } from "./request/ExecRequest.ts"
import type { ResolvedTask } from "./target/ResolvedTask.ts"

/** The command of a helper. */
export interface StagedExec {
  /** Running the events begins the command. If their scope closes before its end, the command and all its child processes are killed. */
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** Sends its processes a signal and, after the request's grace period, KILL. */
  readonly signal: (signal: Signal) => Effect.Effect<Ending>
}

/** A helper that waits to begin its command. It is removed with everything that belongs to it when its scope closes. */
export interface WaitingHelper {
  readonly task: ResolvedTask
  /** See {@link exec}. */
  readonly command: StagedExec
}

/**
 * Creates the service with the request, constrained to the task's node, and waits until its helper can be reached. The command has not
 * begun then.
 *
 * Fails with `InvalidRequest`, `NodeUnavailable`, `HelperImageUnavailable`, `HelperNotPlaced`, `HelperRejected`, `HelperFailed`,
 * `HelperRefused`, `OverlayBlocked`, `RelayFailed` and the engine's errors.
 */
export const createHelper = Effect.fn("TaskExec.createHelper")(function* (
  task: ResolvedTask,
  request: CommandRequest
): Effect.fn.Return<WaitingHelper, RunError, Swarm | HelperImage | Scope.Scope> {
  const checked = yield* checkCommand(request)
  yield* checkNoOneOff(checked)
  const swarm = yield* Swarm
  const images = yield* HelperImage
  const image = yield* checked.image === undefined ? images.reference : images.pin(checked.image)
  const spec = specOf(makeRunId(), task, checked)
  const owner = yield* makeOwnership(undefined)
  const place = { image, node: task.node, task: task.name, placementTimeout: checked.placementTimeout }
  const link = yield* openTunneledHelper({
    place,
    owner,
    work: { _tag: "Exec", specs: [spec], begin: [] },
    from: "start"
  })
  yield* Effect.mapError(link.tunnel, (error) =>
    error instanceof TunnelLost
      ? new HelperFailed({ node: task.node.hostname, image, work: "Exec", detail: error.detail })
      : error
  )
  const ending = endManyByHelper({ ...place, placementTimeout: secondHelperPatience }, [endOf(spec)])
  const line = link.line(1)
  const { end, events } = converse<RunError, never>({
    node: task.node.hostname,
    spec,
    input: checked.input,
    // If the message can't be sent, the line fails, too.
    open: Effect.as(Effect.ignore(line.send(encodeOrder({ _tag: "Begin" }))), line),
    endElsewhere: () =>
      Effect.provideService(ending, Swarm, swarm).pipe(
        Effect.map(([first]) => first ?? unconfirmed("the helper sent no kill result"))
      )
  })
  return { task, command: { events, signal: (signal) => end({ ...endOf(spec), signal }) } }
})

/** The exec in the task's container. Its events fail with `CommandNotFound`, `PolicyDenied`, `ContainerNotRunning`, `ExecTimeout`, … */
export const exec = ({ command }: WaitingHelper): StagedExec => command

/**
 * Runs the events, and returns the exit code after the engine has reported it and all output has arrived. Calls `each` with every event.
 * Fails as the events do, and with `OutcomeUnknown` if they end without an exit code.
 */
export const awaitExit = <E, R, E2 = never, R2 = never>(
  events: Stream.Stream<ExecEvent, E, R>,
  each: (event: ExecEvent) => Effect.Effect<void, E2, R2> = () => Effect.void
): Effect.Effect<number, E | E2 | OutcomeUnknown, R | R2> =>
  Effect.flatMap(runToEnd(events, each), (code) =>
    code === undefined ? Effect.fail(new OutcomeUnknown({ detail: "the command is detached" })) : Effect.succeed(code)
  )
