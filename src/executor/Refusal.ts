/** Converts the engines' texts about commands that can't be started. Only the texts distinguish the reasons. */
import * as Effect from "effect/Effect"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import { type EngineFailure, isNotSent } from "../engine/EngineErrors.ts"
import type { ExecSpec } from "./ExecSpec.ts"
import {
  CommandNotFound,
  CommandNotStarted,
  ContainerNotRunning,
  type ExecutorError,
  outcomeUnknown
} from "./ExecutorErrors.ts"
import { stillRuns } from "./internal/stillRuns.ts"

/** Matches the texts of runc and the engine if the container ended between the lookup and the start of the command. */
const notRunning =
  /exec in a stopped container|error executing setns process|container (?:[0-9a-f]{64} )?(?:is )?(?:not running|paused|restarting)/i

/** Matches texts about the command itself, which say nothing about the container. */
const aboutCommand = /exec: "|permission denied|exec format error|chdir to cwd|unable to find (?:user|group)/i

const notFound = /executable file not found|exec: "[^"]*": (?:stat [^:]*: )?no such file or directory/

/** Converts the text of the engine or the runtime to the error of a command that was not started. */
export const notStarted = (
  { command: [command], container }: Pick<ExecSpec, "command" | "container">,
  detail: string
): CommandNotFound | CommandNotStarted | ContainerNotRunning => {
  if (notRunning.test(detail)) return new ContainerNotRunning({ container, detail })
  return notFound.test(detail) ? new CommandNotFound({ command, detail }) : new CommandNotStarted({ command, detail })
}

/** Converts the error of a request about an exec. */
export const refusal =
  (spec: Pick<ExecSpec, "command" | "container">) =>
  (error: EngineFailure): ExecutorError => {
    if (error._tag !== "EngineError") return error
    const { container } = spec
    // 404: no such container, perhaps just removed. 409: not running, paused or restarting.
    if (error.status === 404 || error.status === 409) return new ContainerNotRunning({ container, detail: error.text })
    // 400 and 500 carry the runtime's text: no such user, no such directory, not found (detached only), …
    return error.status === 400 || error.status === 500 ? notStarted(spec, error.text) : error
  }

/**
 * Checks whether the container has ended, unless the text is about the command itself. If a container is killed while the runtime starts a
 * command in it, the runtime reports a broken pipe, a reset connection, a missing child or other errors.
 */
const checkContainer = (
  engine: DockerEngine["Service"],
  { container }: Pick<ExecSpec, "container">,
  error: ExecutorError
): Effect.Effect<never, ExecutorError> => {
  if (error._tag !== "CommandNotStarted" || aboutCommand.test(error.detail)) return Effect.fail(error)
  return stillRuns(engine, container).pipe(
    Effect.orElseSucceed(() => true),
    Effect.flatMap((runs) => Effect.fail(runs ? error : new ContainerNotRunning({ container, detail: error.detail })))
  )
}

/** Fails with the error for a request about an exec that the engine refused: see {@link refusal}. */
export const refused =
  (engine: DockerEngine["Service"], spec: Pick<ExecSpec, "command" | "container">) =>
  (error: EngineFailure): Effect.Effect<never, ExecutorError> =>
    checkContainer(engine, spec, refusal(spec)(error))

/** Fails with the error for a start that the engine refused: see {@link refused}. Without a response, the command may have begun. */
export const refusedStart =
  (engine: DockerEngine["Service"], spec: Pick<ExecSpec, "command" | "container">) =>
  (error: EngineFailure): Effect.Effect<never, ExecutorError> =>
    error._tag === "EngineError" || isNotSent(error) ? refused(engine, spec)(error) : Effect.fail(outcomeUnknown(error))

/** Fails with the error for a text that the engine wrote instead of a command's output: see {@link notStarted}. */
export const complained = (
  engine: DockerEngine["Service"],
  spec: Pick<ExecSpec, "command" | "container">,
  detail: string
): Effect.Effect<never, ExecutorError> => checkContainer(engine, spec, notStarted(spec, detail))
