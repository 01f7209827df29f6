/** What engines say when a command can't be started, and what it means: only their words tell the reasons apart. */
import * as Effect from "effect/Effect"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import type { ExecSpec } from "./ExecSpec.ts"
import { CommandNotFound, CommandNotStarted, ContainerNotRunning, type ExecutorError } from "./ExecutorErrors.ts"
import { stillRuns } from "./internal/stillRuns.ts"

/** The container ended between the lookup, the exec's creation and its start: the words of runc, and of the engine. */
const notRunning =
  /exec in a stopped container|error executing setns process|container (?:[0-9a-f]{64} )?(?:is )?(?:not running|paused|restarting)/i

/** Reasons that lie in the command itself: the container's end has nothing to do with them. */
const commandsOwn = /exec: "|permission denied|exec format error|chdir to cwd|unable to find (?:user|group)/i

const notFound = /executable file not found|exec: "[^"]*": (?:stat [^:]*: )?no such file or directory/

/** The error for a command that was not started, from the engine's or the runtime's own words. */
export const notStarted = (
  { command: [command], container }: Pick<ExecSpec, "command" | "container">,
  detail: string
): CommandNotFound | CommandNotStarted | ContainerNotRunning => {
  if (notRunning.test(detail)) return new ContainerNotRunning({ container, detail })
  return notFound.test(detail) ? new CommandNotFound({ command, detail }) : new CommandNotStarted({ command, detail })
}

/** The error for a request about the exec that the engine refused. */
export const refusal =
  (spec: Pick<ExecSpec, "command" | "container">) =>
  (error: EngineFailure): ExecutorError => {
    if (error._tag !== "EngineError") return error
    const { container } = spec
    // 404: no such container (or it went away meanwhile); 409: not running, paused or restarting.
    if (error.status === 404 || error.status === 409) return new ContainerNotRunning({ container, detail: error.text })
    // 400 and 500 carry the runtime's words: no such user, no such directory, not found (detached only), …
    return error.status === 400 || error.status === 500 ? notStarted(spec, error.text) : error
  }

/**
 * A container that is killed while the runtime starts a command in it leaves the runtime with a broken pipe, a reset
 * connection, a child that is gone: words without end. Where they name no reason of the command's own, the container is
 * looked at.
 */
const lookAgain = (
  engine: DockerEngine["Service"],
  { container }: Pick<ExecSpec, "container">,
  error: ExecutorError
): Effect.Effect<never, ExecutorError> => {
  if (error._tag !== "CommandNotStarted" || commandsOwn.test(error.detail)) return Effect.fail(error)
  return stillRuns(engine, container).pipe(
    Effect.orElseSucceed(() => true),
    Effect.flatMap((runs) => Effect.fail(runs ? error : new ContainerNotRunning({ container, detail: error.detail })))
  )
}

/** Fails with what a refused request about the exec means, see {@link refusal}. */
export const refused =
  (engine: DockerEngine["Service"], spec: Pick<ExecSpec, "command" | "container">) =>
  (error: EngineFailure): Effect.Effect<never, ExecutorError> =>
    lookAgain(engine, spec, refusal(spec)(error))

/** Fails with what the engine's complaint in place of a command's output means, see {@link notStarted}. */
export const complained = (
  engine: DockerEngine["Service"],
  spec: Pick<ExecSpec, "command" | "container">,
  detail: string
): Effect.Effect<never, ExecutorError> => lookAgain(engine, spec, notStarted(spec, detail))
