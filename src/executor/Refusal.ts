/** What engines say when a command can't be started, and what it means: only their words tell the reasons apart. */
import type { EngineFailure } from "../engine/EngineErrors.ts"
import type { ExecSpec } from "./ExecSpec.ts"
import { CommandNotFound, CommandNotStarted, ContainerNotRunning, type ExecutorError } from "./ExecutorErrors.ts"

/** The container ended between the lookup, the exec's creation and its start: the words of runc, and of the engine. */
const notRunning =
  /exec in a stopped container|error executing setns process|container (?:[0-9a-f]{64} )?(?:is )?(?:not running|paused|restarting)/i

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
