/** The plugin's action `inst_exec`: runs a command in the container of a task. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runToEnd } from "../../src/executor/ExecEvent.ts"
import { describeEnding, type ExecTimeout } from "../../src/executor/ExecutorErrors.ts"
import type { RunEvent } from "../../src/Run.ts"
import { TaskExec } from "../../src/TaskExec.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { audited } from "../audit/Auditing.ts"
import type { Channel } from "../command/Channel.ts"
import { readInstExec } from "./InstExecInput.ts"

/** The command ended with another exit code than 0, or could not be started: 126, as the original plugin said. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  exitCode: Schema.Int,
  detail: Schema.String
}) {
  override get message(): string {
    return `exitcode:${this.exitCode} (${this.detail})`
  }
}

/** The command did not end in time. */
export class CommandTimedOut extends Schema.TaggedError<CommandTimedOut>()("CommandTimedOut", {
  seconds: Schema.Finite,
  /** What became of it. */
  ending: Schema.String
}) {
  override get message(): string {
    return `timed out waiting for command to complete (after ${this.seconds} s; ${this.ending})`
  }
}

/** Exit code for a command that could not be started. */
const notStarted = 126

/**
 * Succeeds when the command ended with 0; every other end is an error. What the command writes goes to `stderr`, after a
 * line that tells task, node, container and the command's first word: the others may hold secrets.
 */
export const instExec = Effect.fn("swarm-exec.inst_exec")(function* (
  input: Readonly<Record<string, unknown>>,
  stderr: Channel
) {
  const request = yield* readInstExec(input)
  const [program = ""] = request.command
  let task: ResolvedTask | undefined
  const show = (event: RunEvent) => {
    switch (event._tag) {
      case "Resolved":
        task = event.task
        return stderr.line(introduce(event.task, program))
      case "Stdout":
      case "Stderr":
        return stderr.write(event.data)
      case "Exited":
        return Effect.void
      case "Started":
      case "Detached":
        return Effect.logDebug(`${event._tag.toLowerCase()} as exec ${event.execId}`)
    }
  }
  const exitCode = yield* runToEnd(TaskExec.stream(request), show).pipe(
    // It is never detached, so its end has a code.
    Effect.map((code) => code ?? 0),
    Effect.provide(TaskExec.layer),
    audited(),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.catchTags({
      CommandNotFound: (error) => new CommandFailed({ exitCode: notStarted, detail: error.message }),
      CommandNotStarted: (error) => new CommandFailed({ exitCode: notStarted, detail: error.message }),
      ExecTimeout: (error: ExecTimeout) =>
        new CommandTimedOut({ seconds: error.after / 1000, ending: describeEnding(error.ending) })
    })
  )
  if (exitCode !== 0) {
    const where = task === undefined ? "" : ` in task ${task.name} on node ${task.node.hostname}`
    return yield* new CommandFailed({ exitCode, detail: `${program}${where}` })
  }
})

/** The original's line, and behind it the names. */
const introduce = (task: ResolvedTask, program: string): string =>
  `EXEC: task ${task.id}, node ${task.node.id}, container ${task.container}, ` +
  `cmd ${JSON.stringify(program)} (arguments stripped); ${task.name} on ${task.node.hostname}`
