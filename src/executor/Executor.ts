/**
 * Performs requests in the containers of the connected engine: commands in the container itself or in a toolbox, and actions.
 *
 * The same code runs in a helper on the task's node and, on the `local` route, in the caller. It does not know Swarm.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { memoize } from "../internal/memoize.ts"
import { type ExecEvent, type ExecInput, noInput } from "./ExecEvent.ts"
import type { ExecSpec, ToolboxSpec } from "./ExecSpec.ts"
import { CommandNotFound, ContainerNotRunning, ContainerStopped, type ExecutorError } from "./ExecutorErrors.ts"
import { Guard } from "./Guard.ts"
import { followMain } from "./internal/MainProcess.ts"
import { type ExecTools, startExec } from "./internal/startExec.ts"
import { withCommandOf } from "./OneOff.ts"
import { performAction } from "./PerformAction.ts"
import { checkPermitted, createPermitted } from "./Permitted.ts"
import { type KillerOptions, ProcessKiller } from "./ProcessKiller.ts"
import { openToolbox } from "./Toolbox.ts"

/** Runs commands in the containers of one engine. */
export class Executor extends Context.Service<
  Executor,
  {
    /**
     * Runs the command when the stream is pulled. Fails with `PolicyDenied` if a policy forbids it. The last event is `Exited`, which is
     * emitted after the engine has reported the exit code and all output has arrived.
     *
     * While the command runs, a slow consumer slows it down after 1 MiB. At the end of the command, the engine is read at full speed: it
     * drops output that is not read within 2 seconds (`daemon/monitor.go`).
     *
     * An interruption, or the end of the stream's scope, before `Exited` kills the command and all its child processes. If this process is
     * killed, the {@link Guard} does that.
     *
     * An action has no process. Its events are those of a command that succeeds, and its output has no other limit than its consumer.
     */
    readonly exec: (spec: ExecSpec, input?: ExecInput) => Stream.Stream<ExecEvent, ExecutorError>
  }
>()("task-exec/Executor") {
  /** On the engine in the context. `image`: the task-exec image. */
  static readonly layer = ({
    image
  }: Pick<KillerOptions, "image">): Layer.Layer<Executor, never, DockerEngine | Guard | ProcessKiller> =>
    Layer.effect(
      Executor,
      Effect.gen(function* () {
        const engine = yield* DockerEngine
        const tools: Tools = { engine, guard: yield* Guard, killer: yield* ProcessKiller, image }
        return Executor.of({
          exec: (spec, input = noInput) => {
            if (spec.action !== undefined) return performAction(engine, spec, spec.action)
            return spec.toolbox === undefined
              ? execInContainer(tools, spec, input)
              : execInToolbox(tools, spec, spec.toolbox, input)
          }
        })
      })
    )
}

/** What an executor works with. */
interface Tools extends Omit<ExecTools, "inspector"> {
  readonly image: Effect.Effect<string>
}

/** Runs the command in the spec's container. */
const execInContainer = (tools: Tools, spec: ExecSpec, input: ExecInput): Stream.Stream<ExecEvent, ExecutorError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { engine } = tools
      // The command of a one-off task, the policy and the guard read the same report.
      const inspected = yield* memoize(engine.inspectContainer(spec.container))
      const inspector: typeof engine = {
        ...engine,
        inspectContainer: (container) => (container === spec.container ? inspected : engine.inspectContainer(container))
      }
      const { command } = spec.oneOff === undefined ? spec : yield* withCommandOf(inspector, spec, spec.oneOff)
      return yield* startExec({ ...tools, inspector }, { ...spec, command }, input, (create) =>
        createPermitted(inspector, spec, create)
      )
    })
  )

/** Runs the command in a new container beside the spec's container, or as its main process. */
const execInToolbox = (
  tools: Tools,
  spec: ExecSpec,
  toolbox: ToolboxSpec,
  input: ExecInput
): Stream.Stream<ExecEvent, ExecutorError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      yield* checkPermitted(tools.engine, spec)
      const opened = yield* openToolbox(tools.engine, toolbox, spec, tools.image)
      return toolbox._tag === "Debug"
        ? yield* startExec(
            { ...tools, inspector: tools.engine },
            { ...spec, container: opened.id },
            input,
            (create) => create
          )
        : yield* followMain(tools.engine, opened, spec, input.stdin)
    })
  ).pipe(Stream.mapError((error) => ofToolbox(error, spec.container, toolbox)))

/** Returns the error of a command in a toolbox. The toolbox ends with the task's processes, and users do not know its container. */
const ofToolbox = (error: ExecutorError, container: string, toolbox: ToolboxSpec): ExecutorError => {
  switch (error._tag) {
    case "ContainerStopped":
      return new ContainerStopped({ container })
    case "ContainerNotRunning":
      return error.container === container
        ? error
        : new ContainerNotRunning({ container, detail: "its toolbox has ended" })
    case "CommandNotFound":
      return toolbox._tag === "Debug" ? new CommandNotFound({ ...error, toolbox: toolbox.image }) : error
    default:
      return error
  }
}
