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
import { describeEnding, ExecTimeout, OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { withInventory } from "../executor/RunInventory.ts"
import type { HelperImage } from "../helper/HelperImage.ts"
import type { Connect } from "../node/Connect.ts"
import type { RunError } from "../Run.ts"
import {
  type CheckedCommand,
  type CommandRequest,
  checkCommand,
  checkNoOneOff,
  millis
} from "../request/ExecRequest.ts"
import { InvalidRequest } from "../request/InvalidRequest.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { type Amount, countOf } from "./Amount.ts"
import { type Command, openSurroundings, passSignals, planCommands, type Underway } from "./Commands.ts"
import type { FleetEvent, TaskOutcome, TaskResult } from "./FleetEvent.ts"
import { follow } from "./Following.ts"
import { paced } from "./Pacing.ts"
import { checkStillRuns, replacementOf } from "./Replacement.ts"
import { describeSelection, type Selection, type SelectionError, selectLogs, selectTasks } from "./Selection.ts"

/**
 * The request of a fan-out: one command in many tasks.
 *
 * **Gotchas**: the whole `stdin` is read into memory before the first command starts, because each command gets all of it. More than 16 MiB
 * fails with `InvalidRequest`.
 *
 * @example
 * ```ts
 * import type { FleetRequest } from "task-exec"
 *
 * const request: FleetRequest = {
 *   selection: { services: ["web"] },
 *   command: ["nginx", "-s", "reload"],
 *   pacing: { parallel: { _tag: "Count", count: 1 }, delay: "5 seconds" }
 * }
 * ```
 *
 * @category requests
 * @since 0.1.0
 */
export interface FleetRequest extends Omit<CommandRequest, "tty"> {
  readonly selection: Selection
  readonly pacing?: FleetPacing
  /**
   * If a task is replaced before its command starts, run the command in the replacement. A followed log goes on with the log of the next
   * task in the place of one whose container ends. Default `false`.
   */
  readonly followUpdates?: boolean
}

/**
 * The pace of a fan-out: how many commands run at the same time, and when no more are started.
 *
 * @category requests
 * @since 0.1.0
 */
export interface FleetPacing {
  /** The most commands at the same time; default 32. */
  readonly parallel?: Amount
  /** The least time between two starts; default none. */
  readonly delay?: Duration.Input
  /** Start no more commands after more than this many have failed; default: start all. Running commands continue. */
  readonly maxFailures?: Amount
  /** The deadline of the fan-out: running commands are then killed as at their timeout, and no more are started. */
  readonly deadline?: Duration.Input
}

/**
 * The errors of a fan-out before any command runs. The error of a single task is in its result.
 *
 * @category errors
 * @since 0.1.0
 */
export type FleetError = InvalidRequest | SelectionError | SwarmFailure

/** The most input for all tasks, in bytes. */
export const inputLimit = 16 * 1024 * 1024

/** The state that the commands of a fan-out share. */
interface Run {
  readonly tell: (event: FleetEvent) => Effect.Effect<void>
  /** Completes when no more commands must start. */
  readonly stopped: Deferred.Deferred<void>
  /** The commands that were started and have not ended. */
  readonly open: Set<Underway>
  /** The deadline of the fan-out, in milliseconds after its start. */
  readonly deadline: number | undefined
  /** Completes at the deadline: for all commands at the same time, so that those of a node are killed together. */
  readonly timeUp: Deferred.Deferred<void>
}

type R = Swarm | HelperImage | Scope.Scope

/** Milliseconds after which a selected task may have been replaced. */
const fresh = 1000
/** The time in which the rest of a command's output may arrive after the kill. */
const lastOutput = "3 seconds"

/** Runs a fan-out. When the scope of its events has closed, every command has ended and every helper is removed. */
export const runFleet = (request: FleetRequest, connect: Connect) => withInventory(fanOut(request, connect))

const fanOut = (request: FleetRequest, connect: Connect) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { checked, deadline, delay } = yield* checkFleet(request)
      // A followed log that waited for the end of others would be missing.
      const isFollowed = checked.action?._tag === "Logs" && checked.action.follow
      const { maxFailures, parallel = isFollowed ? everyTask : defaultParallel } = request.pacing ?? {}
      const stage = { _tag: "Find", target: describeSelection(request.selection) } as const
      const isReading = checked.action?._tag === "Logs"
      const find = isReading ? selectLogs(request.selection) : selectTasks(request.selection)
      const { found: tasks, surroundings } = yield* openSurroundings(connect, checked, find, stage)
      const chosenAt = yield* Clock.currentTimeMillis
      const atOnce = Duration.isZero(delay) ? Math.max(1, countOf(parallel, tasks.length)) : 1
      const commands = yield* planCommands(tasks, checked, surroundings, atOnce)
      const queue = yield* Queue.bounded<FleetEvent, Cause.Done>(64)
      const tell = (event: FleetEvent) => Effect.asVoid(Queue.offer(queue, event))
      yield* tell({ _tag: "Chosen", tasks })

      const stopped = yield* Deferred.make<void>()
      const open = new Set<Underway>()
      const timeUp = yield* Deferred.make<void>()
      if (deadline !== undefined) {
        yield* Effect.forkScoped(Effect.andThen(Effect.sleep(deadline), Deferred.succeed(timeUp, undefined)))
      }
      const run: Run = { tell, stopped, open, deadline, timeUp }
      yield* passSignals(checked, () => {
        Deferred.doneUnsafe(stopped, Effect.void)
        return [...open].filter(({ isLive }) => isLive())
      })

      /** Runs the command in the replacement of its task. */
      const inReplacement = Effect.fnUntraced(function* (task: ResolvedTask, begun: Effect.Effect<void>) {
        const [command] = yield* planCommands([yield* replacementOf(task)], checked, surroundings)
        return command === undefined ? interrupted : yield* perform(run, yield* command.open, begun)
      })
      /** Reads the log of a task, and of each task in its place after it. */
      const followLogs = (first: Command, begun: Effect.Effect<void>) =>
        follow(first.task, {
          read: Effect.fnUntraced(function* (task, reading) {
            const [command] =
              task === first.task ? [first] : yield* planCommands([task], wholeLog(checked), surroundings)
            if (command === undefined) return interrupted
            const whole = Effect.flatMap(command.open, (underway) =>
              perform(run, underway, Effect.andThen(begun, reading))
            )
            return yield* Effect.ensuring(Effect.scoped(whole), command.leave)
          }),
          replaced: (task, by) => tell({ _tag: "Replaced", task, by })
        })
      const runOne = Effect.fnUntraced(
        function* (command: Command, begun: Effect.Effect<void>): Effect.fn.Return<TaskResult, RunError, R> {
          const { task } = command
          if (Deferred.isDoneUnsafe(stopped)) return interrupted
          // The log of a task that has ended can still be read.
          const stale = !isReading && (yield* Clock.currentTimeMillis) - chosenAt > fresh
          const planned = Effect.andThen(
            stale ? checkStillRuns(task) : Effect.void,
            Effect.flatMap(command.open, (underway) => perform(run, underway, begun))
          )
          if (request.followUpdates !== true) return yield* planned
          if (isReading) return yield* isFollowed ? followLogs(command, begun) : planned
          return yield* planned.pipe(
            // In both cases the command has not run.
            Effect.catchTag(["TaskNotRunning", "ContainerNotRunning"], () =>
              // The other commands of the node need not wait for this one.
              Effect.andThen(command.leave, inReplacement(task, begun))
            )
          )
        },
        Effect.scoped,
        Effect.catch((error): Effect.Effect<TaskResult> => Effect.succeed({ _tag: "Failed", error }))
      )

      const finished = Effect.fnUntraced(function* (job: Command, result: TaskResult): Effect.fn.Return<TaskOutcome> {
        const { task } = job
        yield* tell({ _tag: "Ended", task, result })
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
          run: (job, begun) => Effect.flatMap(runOne(job, begun), (result) => finished(job, result)),
          isFailure: ({ result }) => !(result._tag === "Detached" || (result._tag === "Exited" && result.code === 0)),
          onSkipped: (job, reason) => finished(job, { _tag: "Skipped", reason })
        }
      ).pipe(
        Effect.flatMap((results) => tell({ _tag: "Finished", results })),
        Queue.into(queue),
        Effect.forkScoped
      )
      return Stream.fromQueue(queue)
    })
  )

/** Runs a command to its end. */
const perform = Effect.fnUntraced(function* (
  { deadline, open, stopped, tell, timeUp }: Run,
  underway: Underway,
  begun: Effect.Effect<void>
): Effect.fn.Return<TaskResult, RunError, R> {
  const { events, isLive, task } = underway
  open.add(underway)
  yield* Effect.addFinalizer(() => Effect.sync(() => open.delete(underway)))
  const whole = runToEnd(events, (event) =>
    Effect.andThen(event._tag === "Started" ? begun : Effect.void, show(task, event, tell))
  )
  // A command that has not started has no processes to send a signal to. The report that it has started may not have arrived.
  const stoppedBefore = Effect.flatMap(Deferred.await(stopped), () =>
    isLive() ? Effect.never : endUnreported(underway)
  )
  const bounded =
    deadline === undefined
      ? whole
      : Effect.tapError(endInTime(whole, timeUp, underway, deadline), underway.recording.failed)
  const code = yield* Effect.raceFirst(bounded, stoppedBefore)
  if (code === "Stopped") return interrupted
  return code === undefined ? { _tag: "Detached" } : { _tag: "Exited", code }
})

/** Ends a command that may have begun, and of which no report has come. A report that comes within {@link lastOutput} overrules the error. */
const endUnreported = Effect.fnUntraced(function* ({ end, mayHaveBegun, spec }: Underway) {
  if (!mayHaveBegun()) return "Stopped" as const
  const ending = yield* end(endOf(spec))
  // The node never ran the helper.
  if (!mayHaveBegun()) return "Stopped" as const
  yield* Effect.sleep(lastOutput)
  return yield* new OutcomeUnknown({
    detail: `the node has not reported whether it started; ${describeEnding(ending)}`
  })
})

/** The command for a task whose log has not been read: `tail` counts from the end of the log before it. */
const wholeLog = (checked: CheckedCommand): CheckedCommand => {
  if (checked.action?._tag !== "Logs") return checked
  const { tail: _, ...action } = checked.action
  return { ...checked, action }
}

const interrupted: TaskResult = { _tag: "Skipped", reason: "interrupted" }

const defaultParallel: Amount = { _tag: "Count", count: 32 }
const everyTask: Amount = { _tag: "Percent", percent: 100 }

const checkFleet = Effect.fnUntraced(function* ({
  pacing = {},
  selection: _,
  followUpdates: __,
  ...request
}: FleetRequest) {
  const delay = yield* millis("delay", pacing.delay ?? 0)
  const deadline = pacing.deadline === undefined ? undefined : yield* millis("deadline", pacing.deadline)
  const checked = yield* checkCommand(request)
  yield* checkNoOneOff(checked)
  const timeout = deadline === undefined ? checked.timeout : Math.min(checked.timeout ?? deadline, deadline)
  const stdin = checked.stdin ? Stream.make(yield* keepInput(checked.input.stdin)) : Stream.empty
  return {
    checked: { ...checked, timeout, input: { ...checked.input, stdin } },
    delay: Duration.millis(delay),
    deadline
  }
})

/** Reads all of the input: each task starts to read it at another time. */
const keepInput = Effect.fnUntraced(function* (stdin: Stream.Stream<Uint8Array>) {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  yield* Stream.runForEach(stdin, (chunk) => {
    bytes += chunk.length
    chunks.push(chunk)
    return bytes > inputLimit
      ? new InvalidRequest({ detail: `the input of a fan-out must not exceed ${inputLimit} bytes` })
      : Effect.void
  })
  return Buffer.concat(chunks)
})

/** Kills the command at the deadline of the fan-out. */
const endInTime = Effect.fnUntraced(function* <A, E, R>(
  whole: Effect.Effect<A, E, R>,
  timeUp: Deferred.Deferred<void>,
  { end, spec }: Underway,
  deadline: number
) {
  const fiber = yield* Effect.forkScoped(whole)
  const ended = yield* Effect.raceFirst(Fiber.await(fiber), Deferred.await(timeUp))
  if (ended !== undefined) return yield* ended
  const ending = yield* end(endOf(spec))
  yield* Fiber.await(fiber).pipe(Effect.timeoutOption(lastOutput))
  return yield* new ExecTimeout({ after: deadline, ending })
})

const show = (task: ResolvedTask, event: ExecEvent, tell: (event: FleetEvent) => Effect.Effect<void>) => {
  switch (event._tag) {
    case "Started":
      return tell({ _tag: "Started", task })
    case "Stdout":
    case "Stderr":
      return tell({ _tag: event._tag, task, data: event.data })
    case "Detached":
    case "Exited":
      return Effect.void
  }
}
