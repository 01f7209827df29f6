/** A `TaskExec` for tests, without a swarm. Requests, events and errors are those of the library. A script simulates the commands. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { collect } from "../Collect.ts"
import type { Swarm } from "../engine/Swarm.ts"
import type { Signal } from "../executor/ExecSpec.ts"
import { killed } from "../executor/KillResult.ts"
import { forwardCommand } from "../forward/ForwardSession.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import type { Connect } from "../node/Connect.ts"
import { chooseRoute } from "../node/Route.ts"
import { collectLimit, type RunError, type RunEvent } from "../Run.ts"
import type { CommandRequest, ExecRequest } from "../request/ExecRequest.ts"
import { openSession } from "../Session.ts"
import { makeTaskExec, TaskExec } from "../TaskExec.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { answerTo, isError, type Script, simulate } from "./Script.ts"
import { stageOf } from "./Stage.ts"
import { type TestTask, testSwarm } from "./TestSwarm.ts"

/**
 * The tasks of a simulated swarm, and the script of the commands in them.
 *
 * @category testing
 * @since 0.1.0
 */
export interface TestOptions {
  /** Every task of the swarm: its name, such as `web.2`, or a {@link TestTask}. */
  readonly tasks: ReadonlyArray<string | TestTask>
  /** Answers the commands. */
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
 * The commands that have run in the simulated swarm.
 *
 * @category testing
 * @since 0.1.0
 */
export class Calls extends Context.Service<
  Calls,
  {
    /** All commands that have reached their task, in this order, with the input and the signals that they have received so far. */
    readonly all: Effect.Effect<ReadonlyArray<RecordedCall>>
  }
>()("task-exec/testing/Calls") {
  /** Returns `all` of the service in the context. */
  static readonly all: Effect.Effect<ReadonlyArray<RecordedCall>, never, Calls> = this.use((calls) => calls.all)
}

/**
 * Provides a `TaskExec` without a swarm, and its {@link Calls}.
 *
 * **When to use**: for tests of code that uses `TaskExec`.
 *
 * **Details**: only the swarm and the commands are simulated. The library's own code validates requests, finds and selects tasks, collects
 * output and paces fan-outs. Timeouts and waits use the clock in the context, so tests can control them with `TestClock`.
 *
 * **Gotchas**: an invalid task name in `tasks` and a command without an answer in `script` are defects. Tasks have no files.
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
      const serviceFor = (request: CommandRequest) => makeTaskExec(connectTo(script, recorder, request))
      const stream = (request: ExecRequest): Stream.Stream<RunEvent, RunError> =>
        Stream.unwrap(Effect.map(serviceFor(request), (service) => service.stream(request))).pipe(
          Stream.provideContext(context)
        )
      const taskExec = TaskExec.of({
        stream,
        run: (request) => collect(stream(request)),
        open: (request) => openSession(request, stream),
        runAll: (request) =>
          Stream.unwrap(Effect.map(serviceFor(request), (service) => service.runAll(request))).pipe(
            Stream.provideContext(context)
          ),
        forward: (request) =>
          serviceFor({ command: forwardCommand(request) }).pipe(
            Effect.provideContext(context),
            Effect.flatMap((service) => service.forward(request))
          )
      })
      return Context.make(TaskExec, taskExec).pipe(Context.add(Calls, { all: recorder.all }))
    })
  ).pipe(Layer.provide(HelperImage.layerOf("task-exec:test")), Layer.provide(testSwarm(tasks)))

/** Records the commands that run. */
class Recorder {
  private readonly calls: Array<() => RecordedCall> = []

  readonly all = Effect.sync(() => this.calls.map((call) => call()))

  /** Records the input and the signals of a command. The command is in {@link all} after `keep` was called. */
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

/** Connects to nodes whose commands are simulated. Every node has an agent. */
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
            // An error of the lookup comes before a task is known, so the command is not recorded.
            if (isError(answer) && stageOf(answer) === "lookup") return yield* Effect.fail(answer)
            keep()
            const simulated = yield* simulate(answer, spec, stdin)
            return {
              events: simulated.events,
              mayHaveBegun: () => false,
              end: ({ signal }) => Effect.as(Effect.andThen(signalled(signal), simulated.end(signal)), killed)
            }
          }),
          leave: () => undefined
        }),
      files: () => Effect.die(new Error(`the test's task ${tasks[0].name} has no files`))
    }))
