/**
 * A fan-out: one command in many tasks. The tasks of another node share a helper, with a channel for each task. Tasks of the connected
 * engine need no helper.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { Swarm } from "../engine/Swarm.ts"
import { type ExecEvent, runToEnd } from "../executor/ExecEvent.ts"
import { endOf } from "../executor/ExecSpec.ts"
import { ExecTimeout, OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { describeKillResult } from "../executor/KillResult.ts"
import { withInventory } from "../executor/RunInventory.ts"
import type { HelperImage } from "../helper/HelperImage.ts"
import type { Connect } from "../node/Connect.ts"
import type { RunError } from "../Run.ts"
import type { CheckedCommand } from "../request/CheckedRequest.ts"
import type { InvalidRequest } from "../request/InvalidRequest.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { type Amount, countOf } from "./Amount.ts"
import { type Command, openRunContext, type PreparedCommand, passSignals, planCommands } from "./Commands.ts"
import type { FleetEvent, TaskOutcome, TaskResult } from "./FleetEvent.ts"
import { checkFleet, type FleetRequest } from "./FleetRequest.ts"
import { follow } from "./Following.ts"
import { paced } from "./Pacing.ts"
import { checkStillRuns, replacementOf } from "./Replacement.ts"
import { describeSelection, type SelectionError, selectLogs, selectTasks } from "./Selection.ts"

/**
 * The errors of a fan-out before any command runs. The error of a single task is in its result.
 *
 * @category errors
 * @since 0.1.0
 */
export type FleetError = InvalidRequest | SelectionError | SwarmFailure

/** The state that the commands of a fan-out share. */
interface Run {
  readonly emit: (event: FleetEvent) => Effect.Effect<void>
  /** Completes when no more commands may start. */
  readonly stopped: Deferred.Deferred<void>
  /** The commands that were requested to start and have not ended. */
  readonly open: Set<PreparedCommand>
  /** The deadline of the fan-out, in milliseconds after its start. */
  readonly deadline: number | undefined
  /** Completes at the deadline. All commands share it, so that those of a node are killed together. */
  readonly timeUp: Deferred.Deferred<void>
}

type R = Swarm | HelperImage | Scope.Scope

/** Milliseconds after the selection until which a task is assumed to run. Later, this is checked before its command starts. */
const fresh = 1000
/** The time within which the remaining output of a killed command must arrive. */
const lastOutput = "3 seconds"

/** Runs a fan-out. When the scope of its events has closed, every command has ended and every helper is removed. */
export const runFleet = (request: FleetRequest, connect: Connect) => withInventory(fanOut(request, connect))

const fanOut = (request: FleetRequest, connect: Connect) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { checked, deadline, delay } = yield* checkFleet(request)
      // All followed logs are read at the same time. One that waited for the end of others would be missing.
      const isFollowed = checked.action?._tag === "Logs" && checked.action.follow
      const { maxFailures, parallel = isFollowed ? everyTask : defaultParallel } = request.pacing ?? {}
      const stage = { _tag: "Find", target: describeSelection(request.selection) } as const
      const isReading = checked.action?._tag === "Logs"
      const select = isReading ? selectLogs : selectTasks
      const { found: tasks, context } = yield* openRunContext(
        connect,
        checked,
        (onNode) => select(request.selection, { onNode }),
        stage
      )
      const chosenAt = yield* Clock.currentTimeMillis
      const atOnce = Duration.isZero(delay) ? Math.max(1, countOf(parallel, tasks.length)) : 1
      const commands = yield* planCommands(tasks, checked, context, atOnce)
      const queue = yield* Queue.bounded<FleetEvent, Cause.Done>(64)
      const emit = (event: FleetEvent) => Effect.asVoid(Queue.offer(queue, event))
      yield* emit({ _tag: "Chosen", tasks })

      const stopped = yield* Deferred.make<void>()
      const open = new Set<PreparedCommand>()
      const timeUp = yield* Deferred.make<void>()
      if (deadline !== undefined) {
        yield* Effect.forkScoped(Effect.andThen(Effect.sleep(deadline), Deferred.succeed(timeUp, undefined)))
      }
      const run: Run = { emit, stopped, open, deadline, timeUp }
      yield* passSignals(checked, () => {
        Deferred.doneUnsafe(stopped, Effect.void)
        return [...open].filter(({ isLive }) => isLive())
      })

      /** Runs the command in the replacement of its task. */
      const inReplacement = Effect.fnUntraced(function* (task: ResolvedTask, begun: Effect.Effect<void>) {
        const [command] = yield* planCommands([yield* replacementOf(task)], checked, context)
        return command === undefined ? interrupted : yield* perform(run, yield* command.open, begun)
      })
      /** Reads the log of a task, and of each task that replaces it. */
      const followLogs = (first: Command, begun: Effect.Effect<void>) =>
        follow(first.task, {
          read: Effect.fnUntraced(function* (task, reading) {
            const [command] = task === first.task ? [first] : yield* planCommands([task], wholeLog(checked), context)
            if (command === undefined) return interrupted
            const whole = Effect.flatMap(command.open, (prepared) =>
              perform(run, prepared, Effect.andThen(begun, reading))
            )
            return yield* Effect.ensuring(Effect.scoped(whole), command.leave)
          }),
          replaced: (task, by) => emit({ _tag: "Replaced", task, by })
        })
      const runCommand = Effect.fnUntraced(
        function* (command: Command, begun: Effect.Effect<void>): Effect.fn.Return<TaskResult, RunError, R> {
          const { task } = command
          if (Deferred.isDoneUnsafe(stopped)) return interrupted
          // The log of a task that has ended can still be read.
          const mustCheck = !isReading && (yield* Clock.currentTimeMillis) - chosenAt > fresh
          const planned = Effect.andThen(
            mustCheck ? checkStillRuns(task) : Effect.void,
            Effect.flatMap(command.open, (prepared) => perform(run, prepared, begun))
          )
          if (request.followUpdates !== true) return yield* planned
          if (isReading) return yield* isFollowed ? followLogs(command, begun) : planned
          return yield* planned.pipe(
            // With both errors, the command has not run.
            Effect.catchTag(["TaskNotRunning", "ContainerNotRunning"], () =>
              // Leaves first, so that the other commands of the node need not wait for this one.
              Effect.andThen(command.leave, inReplacement(task, begun))
            )
          )
        },
        Effect.scoped,
        Effect.catch((error): Effect.Effect<TaskResult> => Effect.succeed({ _tag: "Failed", error }))
      )

      const finished = Effect.fnUntraced(function* (job: Command, result: TaskResult): Effect.fn.Return<TaskOutcome> {
        const { task } = job
        yield* emit({ _tag: "Ended", task, result })
        yield* job.leave
        return { task, result }
      })
      yield* paced(
        commands,
        {
          parallel,
          delay,
          ...(maxFailures === undefined ? {} : { maxFailures }),
          ...(deadline === undefined ? {} : { deadline: Duration.millis(deadline) })
        },
        {
          run: (job, begun) => Effect.flatMap(runCommand(job, begun), (result) => finished(job, result)),
          isFailure: ({ result }) => !(result._tag === "Detached" || (result._tag === "Exited" && result.code === 0)),
          onSkipped: (job, reason) => finished(job, { _tag: "Skipped", reason })
        }
      ).pipe(
        Effect.flatMap((results) => emit({ _tag: "Finished", results })),
        Queue.into(queue),
        Effect.forkScoped
      )
      return Stream.fromQueue(queue)
    })
  )

/** Runs a command to its end. */
const perform = Effect.fnUntraced(function* (
  { deadline, emit, open, stopped, timeUp }: Run,
  prepared: PreparedCommand,
  begun: Effect.Effect<void>
): Effect.fn.Return<TaskResult, RunError, R> {
  const { events, isLive, task } = prepared
  open.add(prepared)
  yield* Effect.addFinalizer(() => Effect.sync(() => open.delete(prepared)))
  const whole = runToEnd(events, (event) =>
    Effect.andThen(event._tag === "Started" ? begun : Effect.void, emitEvent(task, event, emit))
  )
  // A command that has not started has no processes to send a signal to. It may have started although `Started` has not arrived.
  const stoppedBefore = Effect.flatMap(Deferred.await(stopped), () =>
    isLive() ? Effect.never : endUnreported(prepared)
  )
  const bounded =
    deadline === undefined
      ? whole
      : Effect.tapError(endInTime(whole, timeUp, prepared, deadline), prepared.recording.failed)
  const code = yield* Effect.raceFirst(bounded, stoppedBefore)
  if (code === "Stopped") return interrupted
  return code === undefined ? { _tag: "Detached" } : { _tag: "Exited", code }
})

/**
 * Kills a command that may have begun although `Started` has not arrived, and fails with `OutcomeUnknown`. If the command's end is reported
 * within {@link lastOutput}, that result counts instead.
 */
const endUnreported = Effect.fnUntraced(function* ({ end, mayHaveBegun, spec }: PreparedCommand) {
  if (!mayHaveBegun()) return "Stopped" as const
  const killResult = yield* end(endOf(spec))
  // The node never ran the helper.
  if (!mayHaveBegun()) return "Stopped" as const
  yield* Effect.sleep(lastOutput)
  return yield* new OutcomeUnknown({
    detail: `the node has not reported whether it started; ${describeKillResult(killResult)}`
  })
})

/** Returns the request for the log of a replacement, which is read from its start: `tail` applies to the first log only. */
const wholeLog = (checked: CheckedCommand): CheckedCommand => {
  if (checked.action?._tag !== "Logs") return checked
  const { tail: _, ...action } = checked.action
  return { ...checked, action }
}

const interrupted: TaskResult = { _tag: "Skipped", reason: "interrupted" }

const defaultParallel: Amount = { _tag: "Count", count: 32 }
const everyTask: Amount = { _tag: "Percent", percent: 100 }

/** Runs a command, and kills it at the deadline of the fan-out. */
const endInTime = Effect.fnUntraced(function* <A, E, R>(
  whole: Effect.Effect<A, E, R>,
  timeUp: Deferred.Deferred<void>,
  { end, spec }: PreparedCommand,
  deadline: number
) {
  const fiber = yield* Effect.forkScoped(whole)
  const ended = yield* Effect.raceFirst(Fiber.await(fiber), Deferred.await(timeUp))
  if (ended !== undefined) return yield* ended
  const killResult = yield* end(endOf(spec))
  yield* Fiber.await(fiber).pipe(Effect.timeoutOption(lastOutput))
  return yield* new ExecTimeout({ after: deadline, killResult })
})

const emitEvent = (task: ResolvedTask, event: ExecEvent, emit: (event: FleetEvent) => Effect.Effect<void>) => {
  switch (event._tag) {
    case "Started":
      return emit({ _tag: "Started", task })
    case "Stdout":
    case "Stderr":
      return emit({ _tag: event._tag, task, data: event.data })
    case "Detached":
    case "Exited":
      return Effect.void
  }
}
