/** The plugin's action `inst_exec`: runs a command in the container of a task. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runToEnd } from "../../src/executor/ExecEvent.ts"
import type { ExecTimeout } from "../../src/executor/ExecutorErrors.ts"
import { describeKillResult } from "../../src/executor/KillResult.ts"
import type { RunEvent } from "../../src/Run.ts"
import { TaskExec } from "../../src/TaskExec.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { audited } from "../audit/Auditing.ts"
import type { Channel } from "../command/Channel.ts"
import { readInstExec } from "./InstExecInput.ts"

/** The exit code of the command is not 0, or the command could not be started: 126, like the original plugin. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  exitCode: Schema.Int,
  detail: Schema.String
}) {
  override get message(): string {
    return `exitcode:${this.exitCode} (${this.detail})`
  }
}

/** The command exceeded its timeout. */
export class CommandTimedOut extends Schema.TaggedError<CommandTimedOut>()("CommandTimedOut", {
  seconds: Schema.Finite,
  /** The kill result, in words. */
  killResult: Schema.String
}) {
  override get message(): string {
    return `timed out waiting for command to complete (after ${this.seconds} s; ${this.killResult})`
  }
}

/** Exit code for a command that could not be started. */
const notStarted = 126

/**
 * Runs a command. Succeeds if the command exits with 0, and fails otherwise. Its output goes to `stderr`, after a line with the task, the
 * node, the container and the first word of the command. The other words may hold secrets.
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
        return stderr.line(describeTask(event.task, program))
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
    // The command is never detached, so it has an exit code.
    Effect.map((code) => code ?? 0),
    Effect.provide(TaskExec.layer),
    audited(),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.catchTags({
      CommandNotFound: (error) => new CommandFailed({ exitCode: notStarted, detail: error.message }),
      CommandNotStarted: (error) => new CommandFailed({ exitCode: notStarted, detail: error.message }),
      ExecTimeout: (error: ExecTimeout) =>
        new CommandTimedOut({ seconds: error.after / 1000, killResult: describeKillResult(error.killResult) })
    })
  )
  if (exitCode !== 0) {
    const where = task === undefined ? "" : ` in task ${task.name} on node ${task.node.hostname}`
    return yield* new CommandFailed({ exitCode, detail: `${program}${where}` })
  }
})

/** The line of the original plugin, followed by the names. */
const describeTask = (task: ResolvedTask, program: string): string =>
  `EXEC: task ${task.id}, node ${task.node.id}, container ${task.container}, ` +
  `cmd ${JSON.stringify(program)} (arguments stripped); ${task.name} on ${task.node.hostname}`
