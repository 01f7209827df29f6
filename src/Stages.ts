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
import { TunnelLost } from "./carrier/Channel.ts"
import { Swarm } from "./engine/Swarm.ts"
import { type ExecEvent, runToEnd } from "./executor/ExecEvent.ts"
import { endOf, type Signal } from "./executor/ExecSpec.ts"
import { OutcomeUnknown } from "./executor/ExecutorErrors.ts"
import { type KillResult, unconfirmed } from "./executor/KillResult.ts"
import { HelperFailed } from "./helper/HelperErrors.ts"
import { HelperImage } from "./helper/HelperImage.ts"
import { makeOwnership, makeRunId } from "./Labels.ts"
import { endManyByHelper, secondPlacementTimeout } from "./node/EndByHelper.ts"
import { openTunneledHelper } from "./node/HelperNode.ts"
import { makeCommandClient } from "./protocol/Client.ts"
import { encodeCallerMessage } from "./protocol/CommandMessages.ts"
import type { RunError } from "./Run.ts"
import { checkCommand, checkNoOneOff, specOf } from "./request/CheckedRequest.ts"
import type { CommandRequest } from "./request/ExecRequest.ts"
import type { ResolvedTask } from "./target/ResolvedTask.ts"

/**
 * The command of a helper that {@link createHelper} has created.
 *
 * @category stages
 * @since 0.2.0
 */
export interface StagedExec {
  /**
   * The command begins when this stream is run. If the scope of the stream closes before the command has ended, the command and all its
   * child processes are killed.
   */
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** Sends the command's processes a signal and, after the request's grace period, KILL. */
  readonly signal: (signal: Signal) => Effect.Effect<KillResult>
}

/**
 * A helper that is ready to begin its command. When its scope closes, the helper and everything that belongs to it are removed.
 *
 * @category stages
 * @since 0.2.0
 */
export interface WaitingHelper {
  readonly task: ResolvedTask
  /** See {@link exec}. */
  readonly command: StagedExec
}

/**
 * Creates a helper on a task's node, and waits until the helper can be reached. Does not begin the command.
 *
 * **When to use**: to compose a run by hand, with {@link lookupTask}, {@link exec} and {@link awaitExit}. `TaskExec.stream` does all of it,
 * and needs no helper if the connected engine runs the task or an agent serves the node.
 *
 * **Details**: the helper is a Swarm service that is constrained to the node. Fails with `InvalidRequest`, `NodeUnavailable`,
 * `HelperImageUnavailable`, `HelperNotPlaced`, `HelperRejected`, `HelperFailed`, `HelperRefused`, `OverlayBlocked`, `RelayFailed` and the
 * engine's errors.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { awaitExit, createHelper, exec, lookupTask, parseTarget } from "task-exec"
 *
 * const exitCode = Effect.gen(function* () {
 *   const target = yield* Effect.fromResult(parseTarget("web.2"))
 *   const helper = yield* createHelper(yield* lookupTask(target), { command: ["./migrate"] })
 *   return yield* awaitExit(exec(helper).events)
 * }).pipe(Effect.scoped)
 * ```
 *
 * @category stages
 * @since 0.2.0
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
  const placement = { image, node: task.node, task: task.name, placementTimeout: checked.placementTimeout }
  const connection = yield* openTunneledHelper({
    placement,
    owner,
    work: { _tag: "Exec", specs: [spec], begin: [] },
    from: "start"
  })
  yield* Effect.mapError(connection.tunnel, (error) =>
    error instanceof TunnelLost
      ? new HelperFailed({ node: task.node.hostname, image, work: "Exec", detail: error.detail })
      : error
  )
  const endByHelper = endManyByHelper({ ...placement, placementTimeout: secondPlacementTimeout }, [endOf(spec)])
  const line = connection.line(1)
  const { end, events } = makeCommandClient<RunError, never>({
    node: task.node.hostname,
    spec,
    input: checked.input,
    // If the message can't be sent, the line fails, too.
    open: Effect.as(Effect.ignore(line.send(encodeCallerMessage({ _tag: "Begin" }))), line),
    endElsewhere: () =>
      Effect.provideService(endByHelper, Swarm, swarm).pipe(
        Effect.map(([first]) => first ?? unconfirmed("the helper sent no kill result"))
      )
  })
  return { task, command: { events, signal: (signal) => end({ ...endOf(spec), signal }) } }
})

/**
 * Returns the command of a helper. Run its events to begin the command in the task's container.
 *
 * **Details**: the events fail with `CommandNotFound`, `PolicyDenied`, `ContainerNotRunning`, `ExecTimeout` and the other errors of a run.
 *
 * @category stages
 * @since 0.2.0
 */
export const exec = ({ command }: WaitingHelper): StagedExec => command

/**
 * Runs the events of a command to their end, and returns the exit code. Calls `each` with every event.
 *
 * **Details**: fails as the events do, and with `OutcomeUnknown` if they end without an exit code, as those of a detached command do.
 *
 * @category stages
 * @since 0.2.0
 */
export const awaitExit = <E, R, E2 = never, R2 = never>(
  events: Stream.Stream<ExecEvent, E, R>,
  each: (event: ExecEvent) => Effect.Effect<void, E2, R2> = () => Effect.void
): Effect.Effect<number, E | E2 | OutcomeUnknown, R | R2> =>
  Effect.flatMap(runToEnd(events, each), (code) =>
    code === undefined ? Effect.fail(new OutcomeUnknown({ detail: "the command is detached" })) : Effect.succeed(code)
  )
