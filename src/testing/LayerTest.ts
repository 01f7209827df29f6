/** The service `TaskExec` without a swarm: the same requests, events and errors, and commands that a script plays. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { collect } from "../Collect.ts"
import type { Swarm } from "../engine/Swarm.ts"
import type { Signal } from "../executor/ExecSpec.ts"
import { killed } from "../executor/ExecutorErrors.ts"
import { forwardCommand } from "../forward/Forward.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import type { Connect } from "../node/Connect.ts"
import { chooseRoute } from "../node/Route.ts"
import { collectLimit, type RunError, type RunEvent } from "../Run.ts"
import type { CommandRequest, ExecRequest } from "../request/ExecRequest.ts"
import { openSession } from "../Session.ts"
import { makeTaskExec, TaskExec } from "../TaskExec.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { answerTo, isError, play, type Script } from "./Script.ts"
import { stageOf } from "./Stage.ts"
import { type TestTask, testSwarm } from "./TestSwarm.ts"

/**
 * The tasks of the test's swarm, and what commands do in them.
 *
 * @category testing
 * @since 0.1.0
 */
export interface TestOptions {
  /** Every task of the swarm: its name, such as `web.2`, or a {@link TestTask}. */
  readonly tasks: ReadonlyArray<string | TestTask>
  /** What commands do. */
  readonly script: Script
}

/**
 * A command that has reached its task.
 *
 * @category testing
 * @since 0.1.0
 */
export interface RecordedCall {
  readonly task: ResolvedTask
  /** The request as the code under test made it. */
  readonly request: CommandRequest
  /** The input that the command has read: at most {@link collectLimit} bytes. */
  readonly stdin: Uint8Array
  /** The signals that were sent to the command, in order. */
  readonly signals: ReadonlyArray<Signal>
}

/**
 * The commands that have run in the test's swarm.
 *
 * @category testing
 * @since 0.1.0
 */
export class Calls extends Context.Service<
  Calls,
  {
    /** Every command that has reached its task, in that order, with its input and signals up to the present. */
    readonly all: Effect.Effect<ReadonlyArray<RecordedCall>>
  }
>()("task-exec/testing/Calls") {
  /** `all` of the service in the context. */
  static readonly all: Effect.Effect<ReadonlyArray<RecordedCall>, never, Calls> = this.use((calls) => calls.all)
}

/**
 * Provides `TaskExec` without a swarm, and the {@link Calls} that were made to it: for tests of your own code.
 *
 * **Details**: requests are validated, tasks are looked up and selected, output is collected and fan-outs are paced by the library's own
 * code. Only the swarm and the commands are simulated. Timeouts and waits use the clock in the context, so a `TestClock` moves them.
 *
 * **Gotchas**: an invalid name of a task, and a command for which the script has no answer, are defects. Tasks have no files.
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
 *
 * @category testing
 * @since 0.1.0
 */
export const layerTest = ({ script, tasks }: TestOptions): Layer.Layer<TaskExec | Calls> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const recorder = new Recorder()
      const context = yield* Effect.context<Swarm | HelperImage>()
      const on = (request: CommandRequest) => makeTaskExec(connectTo(script, recorder, request))
      const stream = (request: ExecRequest): Stream.Stream<RunEvent, RunError> =>
        Stream.unwrap(Effect.map(on(request), (one) => one.stream(request))).pipe(Stream.provideContext(context))
      const taskExec = TaskExec.of({
        stream,
        run: (request) => collect(stream(request)),
        open: (request) => openSession(request, stream),
        runAll: (request) =>
          Stream.unwrap(Effect.map(on(request), (one) => one.runAll(request))).pipe(Stream.provideContext(context)),
        forward: (request) =>
          on({ command: forwardCommand(request) }).pipe(
            Effect.provideContext(context),
            Effect.flatMap((one) => one.forward(request))
          )
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

/** Connects to nodes whose commands the script plays. An agent is everywhere. */
const connectTo =
  (script: Script, recorder: Recorder, request: CommandRequest): Connect =>
  ({ connectedNode, tasks, via }) =>
    Effect.map(via === "agent" ? Effect.succeed(via) : chooseRoute(tasks[0], via, connectedNode), (route) => ({
      route,
      commands: (specs) =>
        Effect.succeed({
          exec: Effect.fnUntraced(function* (index, input) {
            const [spec, task] = [specs[index] ?? specs[0], tasks[index] ?? tasks[0]]
            const { keep, signalled, stdin } = recorder.watch(task, request, input.stdin)
            const answer = yield* answerTo(script, { task, request, stdin })
            // As the lookup would: nothing is known of a task then.
            if (isError(answer) && stageOf(answer) === "lookup") return yield* Effect.fail(answer)
            keep()
            const played = yield* play(answer, spec, stdin)
            return {
              events: played.events,
              mayHaveBegun: () => false,
              end: ({ signal }) => Effect.as(Effect.andThen(signalled(signal), played.end(signal)), killed)
            }
          }),
          leave: () => undefined
        }),
      files: () => Effect.die(new Error(`the test's task ${tasks[0].name} has no files`))
    }))
