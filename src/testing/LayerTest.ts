/** The service `TaskExec` without a swarm: the same requests, events and errors, and commands that a script plays. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { recordRun, targetOf } from "../audit/Recording.ts"
import { collect } from "../Collect.ts"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { Signal } from "../executor/ExecSpec.ts"
import type { Ending } from "../executor/ExecutorErrors.ts"
import { type FleetRequest, runFleet } from "../fleet/Fleet.ts"
import { type MakeJobs, routesTo } from "../fleet/Jobs.ts"
import { makeRunId } from "../Labels.ts"
import { collectLimit, type RunError, type RunEvent } from "../Run.ts"
import {
  type CheckedCommand,
  type CommandRequest,
  checkRequest,
  type ExecRequest,
  specOf
} from "../request/ExecRequest.ts"
import { routeOf } from "../route/EarlyInput.ts"
import { HelperImage } from "../route/HelperImage.ts"
import { localNode, type Route } from "../route/Route.ts"
import { openSession } from "../Session.ts"
import { TaskExec } from "../TaskExec.ts"
import { lookupTask } from "../target/Lookup.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { awaitTask } from "../target/Wait.ts"
import { type Answer, answerTo, failsAt, play, type Script } from "./Script.ts"
import { type TestTask, testSwarm } from "./TestSwarm.ts"

/** What a test makes up. */
export interface TestOptions {
  /** Every task of the swarm: `web.2`, or more of it than its name. */
  readonly tasks: ReadonlyArray<string | TestTask>
  /** What commands do. */
  readonly script: Script
}

/** A command that was run in a task. */
export interface RecordedCall {
  readonly task: ResolvedTask
  /** As it was asked for. */
  readonly request: CommandRequest
  /** What it has read of its input, {@link collectLimit} bytes at most. */
  readonly stdin: Uint8Array
  /** The signals that it was sent. */
  readonly signals: ReadonlyArray<Signal>
}

/** What was run in the test's swarm. */
export class Calls extends Context.Service<
  Calls,
  {
    /** Every command that got to its task, in the order in which they did, as far as it went until now. */
    readonly all: Effect.Effect<ReadonlyArray<RecordedCall>>
  }
>()("task-exec/testing/Calls") {
  /** `all` of the service in the context. */
  static readonly all: Effect.Effect<ReadonlyArray<RecordedCall>, never, Calls> = this.use((calls) => calls.all)
}

/**
 * The service `TaskExec`, and the {@link Calls} that were made of it.
 *
 * Requests are checked, targets and selections found among the test's tasks, output collected, sessions held, and many
 * tasks paced, by the library's own code; timeouts and waits go by the clock in the context, so a `TestClock` moves them.
 * What is made up is the swarm and what the commands do.
 *
 * A test's task with a name that is none, and a command that the script has no answer to, are defects.
 *
 * @example
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import { TaskExec } from "task-exec"
 * import { Calls, layerTest } from "task-exec/testing"
 *
 * const deploy = TaskExec.run({ target: "shop_web.1", command: ["./migrate"] }) // the code to be tested
 * const swarm = layerTest({ tasks: ["shop_web.1"], script: { "./migrate": { stdout: "3 migrations\n" } } })
 *
 * it.effect("migrates", () =>
 *   Effect.gen(function* () {
 *     yield* deploy
 *     const [call] = yield* Calls.all
 *     assert.strictEqual(call?.task.name, "shop_web.1")
 *   }).pipe(Effect.provide(swarm))
 * )
 * ```
 */
export const layerTest = ({ script, tasks }: TestOptions): Layer.Layer<TaskExec | Calls> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const context = yield* Effect.context<DockerEngine | HelperImage>()
      const recorder = new Recorder()
      const stream = (request: ExecRequest): Stream.Stream<RunEvent, RunError> =>
        Stream.unwrap(run(script, recorder, request)).pipe(Stream.provideContext(context))
      const taskExec = TaskExec.of({
        stream,
        run: (request) => collect(stream(request)),
        open: (request) => openSession(request, stream),
        runAll: (request) => Stream.provideContext(runFleet(request, planFor(script, recorder, request)), context)
      })
      return Context.make(TaskExec, taskExec).pipe(Context.add(Calls, { all: recorder.all }))
    })
  ).pipe(Layer.provide(HelperImage.layerOf("task-exec:test")), Layer.provide(testSwarm(tasks)))

/** Keeps what was run. */
class Recorder {
  private readonly calls: Array<() => RecordedCall> = []

  readonly all = Effect.sync(() => this.calls.map((call) => call()))

  /** What becomes of a call: its input and its signals go by here. It counts once it is kept. */
  watch(task: ResolvedTask, request: CommandRequest, input: Stream.Stream<Uint8Array>) {
    const read: Array<Uint8Array> = []
    const signals: Array<Signal> = []
    let bytes = 0
    return {
      keep: () => this.calls.push(() => ({ task, request, stdin: Buffer.concat(read), signals: [...signals] })),
      stdin: Stream.tap(input, (chunk) =>
        Effect.sync(() => {
          bytes += chunk.length
          if (bytes <= collectLimit) read.push(chunk)
        })
      ),
      signalled: (signal: Signal) =>
        Effect.sync(() => {
          signals.push(signal)
        })
    }
  }
}

/** One command in one task: what becomes of it, and the command itself. */
const command = Effect.fnUntraced(function* (
  script: Script,
  recorder: Recorder,
  task: ResolvedTask,
  route: Route,
  request: CommandRequest,
  checked: CheckedCommand
) {
  const spec = specOf(makeRunId(), task, checked)
  const recording = yield* recordRun(targetOf(task), route, spec)
  const { keep, signalled, stdin } = recorder.watch(task, request, recording.input(checked.input).stdin)
  const answer: Answer = yield* answerTo(script, { task, request, stdin })
  if (failsAt(answer) !== "lookup") keep()
  const played = yield* play(answer, spec, stdin)
  const end = (signal: Signal) => Effect.andThen(signalled(signal), played.end(signal))
  return { answer, spec, recording, events: recording.events(played.events), end }
})

const run = Effect.fnUntraced(function* (script: Script, recorder: Recorder, request: ExecRequest) {
  const checked = yield* checkRequest(request)
  const found = checked.wait === undefined ? lookupTask(checked.target) : awaitTask(checked.target, checked.wait)
  const [task, here] = yield* Effect.all([found, localNode])
  const { via } = checked
  const { input, route } =
    via === "agent" ? ({ route: via, input: checked.input } as const) : yield* routeOf(task, here, via, checked)
  const { answer, end, events } = yield* command(script, recorder, task, route, request, { ...checked, input })
  if (failsAt(answer) === "lookup") return events
  yield* Effect.forkScoped(Stream.runForEach(checked.signals, end))
  return Stream.concat(Stream.make<[RunEvent]>({ _tag: "Resolved", task, route }), events)
})

const killed: Ending = { _tag: "Killed" }

const planFor =
  (script: Script, recorder: Recorder, request: FleetRequest): MakeJobs =>
  (tasks, here, _image, checked) =>
    Effect.map(routesTo(tasks, here, checked), (ways) =>
      ways.map(({ route, task }) => ({
        task,
        leave: Effect.void,
        start: Effect.gen(function* () {
          if (typeof route !== "string") return yield* route
          const run = yield* command(script, recorder, task, route, request, checked)
          const { events, recording, spec } = run
          return { task, route, spec, events, recording, end: ({ signal }) => Effect.as(run.end(signal), killed) }
        })
      }))
    )
