/**
 * One command in many tasks: those of a node share a helper, whose tunnel has a channel for each of them, and those on the
 * engine at hand need none.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type CheckedCommand, type CommandRequest, checkCommand, InvalidRequest, specOf } from "../ExecRequest.ts"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { type ExecEvent, runToEnd } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec, Signal } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { describeEnding, type Ending, TimedOut } from "../executor/ExecutorErrors.ts"
import { makeOwnership, makeRunId } from "../Labels.ts"
import { pullPatience } from "../route/Helper.ts"
import type { RouteUnavailable } from "../route/HelperErrors.ts"
import { HelperImage } from "../route/HelperImage.ts"
import { execHere } from "../route/LocalRoute.ts"
import { type NodeHelper, openNodeHelper } from "../route/NodeHelper.ts"
import { chooseRoute, localNode } from "../route/Route.ts"
import type { TaskExecError } from "../TaskExec.ts"
import { lookupTask, type ResolvedTask, TaskNotRunning } from "../target/Lookup.ts"
import type { Amount } from "./Amount.ts"
import type { FleetEvent, TaskOutcome, TaskResult } from "./FleetEvent.ts"
import { paced } from "./Pacing.ts"
import { type Selection, type SelectionError, selectTasks } from "./Selection.ts"

/** One command for many tasks. */
export interface FleetRequest extends Omit<CommandRequest, "tty"> {
  readonly selection: Selection
  readonly pacing?: FleetPacing
  /** A task that was replaced while it waited for its turn: run the command in its replacement. Default `false`. */
  readonly followUpdates?: boolean
}

/** How fast it goes. */
export interface FleetPacing {
  /** Commands that run at the same time; default 32. */
  readonly parallel?: Amount
  /** Between one's start and the next one's; default none. */
  readonly delay?: Duration.Input
  /** No more are started when more than these have failed; default: all are. Those that run go on. */
  readonly maxFailures?: Amount
  /** For all of them together: then those that run are ended as by their timeout, and no more are started. */
  readonly deadline?: Duration.Input
}

/** How a fan-out can fail before anything runs; what goes wrong with a single task is in its result. */
export type FleetError = InvalidRequest | SelectionError | SwarmFailure

/** Bytes of input that are kept for all of the tasks. */
export const inputLimit = 16 * 1024 * 1024

/** A task, and what is to be run in it. */
interface Job {
  readonly task: ResolvedTask
  readonly spec: ExecSpec
  readonly way: Way
}

/** How the command gets there. */
type Way =
  /** The engine at hand runs the task. */
  | { readonly _tag: "Here" }
  /** As command `index` of its node's helper. */
  | { readonly _tag: "Helper"; readonly node: NodeGroup; readonly index: number }
  | { readonly _tag: "None"; readonly error: RouteUnavailable }

/** The jobs of one node. Its helper goes away with the last of them. */
interface NodeGroup {
  readonly helper: NodeHelper
  readonly scope: Scope.Closeable
  left: number
}

/** A command under way, in the container that its task has now. */
interface Underway {
  readonly task: ResolvedTask
  readonly spec: ExecSpec
  readonly events: Stream.Stream<ExecEvent, TaskExecError, DockerEngine | HelperImage>
  readonly end: (run: EndRun) => Effect.Effect<Ending, never, DockerEngine | HelperImage>
}

/** Milliseconds after which a task that was chosen may be another one. */
const fresh = 1000
/** How long the rest of a command's output may take after it was ended. */
const lastOutput = "3 seconds"
/** How long the replacement of a task may take to run. */
const replacementPatience = "30 seconds"

/** The events of a fan-out. When their scope is closed, every command has ended, and every helper is gone. */
export const runFleet = (request: FleetRequest) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { checked, deadline, delay } = yield* checkFleet(request)
      const { maxFailures, parallel = defaultParallel } = request.pacing ?? {}
      const images = yield* HelperImage
      const image = yield* Effect.cached(checked.image === undefined ? images.reference : images.pin(checked.image))
      const [tasks, here] = yield* Effect.all([selectTasks(request.selection), localNode, image], { concurrency: 3 })
      const chosenAt = yield* Clock.currentTimeMillis
      const jobs = yield* makeJobs(tasks, here, image, checked)
      const queue = yield* Queue.bounded<FleetEvent, Cause.Done>(64)
      const tell = (event: FleetEvent) => Effect.asVoid(Queue.offer(queue, event))
      yield* tell({ _tag: "Chosen", tasks })

      const stopped = yield* Deferred.make<void>()
      const live = new Set<Underway>()
      const endings = yield* FiberSet.make()
      const stop = (signal: Signal) =>
        Effect.suspend(() => {
          Deferred.doneUnsafe(stopped, Effect.void)
          const grace = signal === "SIGKILL" ? 0 : checked.grace
          return Effect.forEach(live, ({ end, spec, task }) =>
            end({ runId: spec.runId, container: spec.container, signal, grace }).pipe(
              Effect.tap((ending) => warnUnlessKilled(task, ending)),
              FiberSet.run(endings)
            )
          )
        })
      yield* Effect.addFinalizer(() => FiberSet.awaitEmpty(endings))
      yield* Effect.forkScoped(Stream.runForEach(checked.signals, stop))

      const runOne = Effect.fnUntraced(
        function* (
          job: Job,
          left: number
        ): Effect.fn.Return<TaskResult, TaskExecError, DockerEngine | HelperImage | Scope.Scope> {
          const { task } = job
          if (Deferred.isDoneUnsafe(stopped)) return interrupted
          const stale = (yield* Clock.currentTimeMillis) - chosenAt > fresh
          const now = stale ? yield* taskNow(task, request.followUpdates ?? false) : task
          const underway = yield* now === task ? start(job, image, checked) : startAlone(now, here, image, checked)
          yield* Effect.addFinalizer(() => Effect.sync(() => live.delete(underway)))
          const whole = runToEnd(underway.events, (event) => {
            if (event._tag === "Started") live.add(underway)
            return show(task, event, tell)
          })
          // What has not started has no processes to be sent a signal: it is left.
          const stoppedBefore = Effect.flatMap(Deferred.await(stopped), () =>
            live.has(underway) ? Effect.never : Effect.succeed("Stopped" as const)
          )
          const bounded = deadline === undefined ? whole : endInTime(whole, left, underway, deadline)
          const code = yield* Effect.raceFirst(bounded, stoppedBefore)
          if (code === "Stopped") return interrupted
          return code === undefined ? { _tag: "Detached" } : { _tag: "Exited", code }
        },
        Effect.scoped,
        Effect.catch((error): Effect.Effect<TaskResult> => Effect.succeed({ _tag: "Failed", error }))
      )

      const finished = ({ task, way }: Job, result: TaskResult): Effect.Effect<TaskOutcome> =>
        Effect.gen(function* () {
          yield* tell({ _tag: "Ended", task, result })
          if (way._tag === "Helper") yield* leaveNode(way.node)
          return { task, result }
        })
      yield* paced(
        jobs,
        {
          parallel,
          delay,
          ...(maxFailures === undefined ? {} : { maxFailures }),
          ...(deadline === undefined ? {} : { deadline: Duration.millis(deadline) })
        },
        {
          run: (job, left) => Effect.flatMap(runOne(job, left), (result) => finished(job, result)),
          isFailure: ({ result }) => !(result._tag === "Detached" || (result._tag === "Exited" && result.code === 0)),
          onSkipped: (job, reason) => finished(job, { _tag: "Skipped", reason })
        }
      ).pipe(
        Effect.flatMap((results) => tell({ _tag: "Finished", results })),
        Effect.ensuring(Queue.end(queue)),
        Effect.forkScoped
      )
      return Stream.fromQueue(queue)
    })
  )

const interrupted: TaskResult = { _tag: "Skipped", reason: "interrupted" }

const defaultParallel: Amount = { _tag: "Count", count: 32 }

const checkFleet = Effect.fnUntraced(function* ({
  pacing = {},
  selection: _,
  followUpdates: __,
  ...request
}: FleetRequest) {
  if (request.via === "helper:logs") {
    return yield* new InvalidRequest({ detail: "the tasks of a node share a tunnel: helper:logs is for a single one" })
  }
  const times = yield* Effect.all([pacing.delay, pacing.deadline].map(toMillis))
  const checked = yield* checkCommand(request)
  const [delay = 0, deadline] = times
  const timeout = deadline === undefined ? checked.timeout : Math.min(checked.timeout ?? deadline, deadline)
  const stdin = checked.stdin ? Stream.make(yield* keepInput(checked.input.stdin)) : Stream.empty
  return {
    checked: { ...checked, timeout, input: { ...checked.input, stdin } },
    delay: Duration.millis(delay),
    deadline
  }
})

const toMillis = (input: Duration.Input | undefined): Effect.Effect<number | undefined, InvalidRequest> => {
  const millis = input === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(input))
  return millis === undefined || (Number.isFinite(millis) && millis >= 0)
    ? Effect.succeed(millis)
    : Effect.fail(new InvalidRequest({ detail: "delay and deadline are lengths of time" }))
}

/** All of the input, as each task begins to read it in its own time. */
const keepInput = Effect.fnUntraced(function* (stdin: Stream.Stream<Uint8Array>) {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  yield* Stream.runForEach(stdin, (chunk) => {
    bytes += chunk.length
    chunks.push(chunk)
    return bytes > inputLimit
      ? new InvalidRequest({ detail: `the input for many tasks is more than ${inputLimit} bytes` })
      : Effect.void
  })
  return Buffer.concat(chunks)
})

/** Groups the tasks by node. Nothing is made yet. */
const makeJobs = Effect.fnUntraced(function* (
  tasks: ReadonlyArray<ResolvedTask>,
  here: string,
  image: Effect.Effect<string>,
  checked: CheckedCommand
) {
  const scope = yield* Effect.scope
  const routed = yield* Effect.forEach(tasks, (task) =>
    Effect.map(Effect.result(chooseRoute(task, checked.via, here, true)), (route) => ({
      task,
      route,
      spec: specOf(makeRunId(), task.container, checked)
    }))
  )
  const remote = Map.groupBy(
    routed.filter(({ route }) => route._tag === "Success" && route.success !== "local"),
    ({ task }) => task.node.id
  )
  const ways = new Map<ExecSpec, Way>()
  for (const [first, ...more] of remote.values()) {
    if (first === undefined) continue
    const owner = yield* makeOwnership(undefined)
    const nodeScope = yield* Scope.fork(scope)
    const { placementTimeout } = checked
    const place = { node: first.task.node, task: first.task.name, placementTimeout, image: yield* image }
    const specs = [first.spec, ...more.map(({ spec }) => spec)] as const
    const helper = yield* Scope.provide(openNodeHelper(place, owner, specs), nodeScope)
    const node: NodeGroup = { helper, scope: nodeScope, left: specs.length }
    for (const [index, spec] of specs.entries()) ways.set(spec, { _tag: "Helper", node, index })
  }
  return routed.map(({ route, spec, task }): Job => {
    const way: Way =
      route._tag === "Failure" ? { _tag: "None", error: route.failure } : (ways.get(spec) ?? { _tag: "Here" })
    return { task, spec, way }
  })
})

/** The last one out takes the helper away. */
const leaveNode = (node: NodeGroup) =>
  Effect.suspend(() => {
    node.left--
    return node.left === 0 ? Scope.close(node.scope, Exit.void) : Effect.void
  })

const start = (
  { spec, task, way }: Job,
  image: Effect.Effect<string>,
  { input }: CheckedCommand
): Effect.Effect<Underway, RouteUnavailable, DockerEngine> => {
  switch (way._tag) {
    case "Here":
      return startHere(task, spec, image, input)
    case "Helper":
      return Effect.succeed({ task, spec, ...way.node.helper.exec(way.index, input) })
    case "None":
      return Effect.fail(way.error)
  }
}

const startHere = Effect.fnUntraced(function* (
  task: ResolvedTask,
  spec: ExecSpec,
  image: Effect.Effect<string>,
  input: ExecInput
) {
  const mayTake = spec.timeout === undefined ? undefined : spec.timeout + spec.grace + pullPatience
  const owner = yield* makeOwnership(mayTake)
  const underway = yield* execHere(spec, { image, owner: { ...owner, runId: spec.runId } }, input)
  return { task, spec, ...underway }
})

/** For a task that was not there when the others were chosen: by a helper of its own. */
const startAlone = Effect.fnUntraced(function* (
  task: ResolvedTask,
  here: string,
  image: Effect.Effect<string>,
  checked: CheckedCommand
): Effect.fn.Return<Underway, RouteUnavailable, DockerEngine | Scope.Scope> {
  const spec = specOf(makeRunId(), task.container, checked)
  const route = yield* chooseRoute(task, checked.via, here, true)
  if (route === "local") return yield* startHere(task, spec, image, checked.input)
  const { placementTimeout } = checked
  const place = { node: task.node, task: task.name, placementTimeout, image: yield* image }
  const helper = yield* openNodeHelper(place, yield* makeOwnership(undefined), [spec])
  return { task, spec, ...helper.exec(0, checked.input) }
})

/** The task itself as long as it runs, or what has replaced it if that is wanted. */
const taskNow = Effect.fnUntraced(function* (task: ResolvedTask, followUpdates: boolean) {
  const engine = yield* DockerEngine
  const current = yield* engine.inspectTask(task.id).pipe(
    Effect.map((found) => found.Status),
    Effect.catchIf(isNotFound, () => Effect.succeed({ State: "removed", Message: "", Err: undefined }))
  )
  if (current.State === "running") return task
  const gone = new TaskNotRunning({
    target: task.name,
    task: { id: task.id, name: task.name, node: task.node.hostname, state: current.State },
    reason: current.Err ?? current.Message
  })
  if (!followUpdates) return yield* gone
  const place = task.slot === undefined ? `${task.service.name}@${task.node.hostname}` : task.name
  return yield* lookupTask({ _tag: "Service", text: place, service: task.service.id, ...placeOf(task) }).pipe(
    Effect.retry({ schedule: Schedule.spaced("500 millis").pipe(Schedule.upTo({ duration: replacementPatience })) })
  )
})

const placeOf = ({ node, slot }: ResolvedTask) => (slot === undefined ? { node: node.id } : { slot })

/** Ends the command when time is up for all of them. */
const endInTime = Effect.fnUntraced(function* <A, E, R>(
  whole: Effect.Effect<A, E, R>,
  left: number,
  { end, spec: { container, grace, runId, signal } }: Underway,
  deadline: number
) {
  const fiber = yield* Effect.forkScoped(whole)
  const ended = yield* Fiber.await(fiber).pipe(Effect.timeoutOption(left))
  if (Option.isSome(ended)) return yield* ended.value
  const ending = yield* end({ runId, container, signal, grace })
  yield* Fiber.await(fiber).pipe(Effect.timeoutOption(lastOutput))
  return yield* new TimedOut({ after: deadline, ending })
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

const warnUnlessKilled = (task: ResolvedTask, ending: Ending) =>
  ending._tag === "Killed" ? Effect.void : Effect.logWarning(`${task.name}: ${describeEnding(ending)}`)
