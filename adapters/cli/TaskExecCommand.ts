/** The command `task-exec`: a command line in, the command's own output and exit code out. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { runToEnd } from "../../src/executor/ExecEvent.ts"
import { TaskExec, type TaskExecEvent } from "../../src/TaskExec.ts"
import { version } from "../../src/Version.ts"
import { type OutputClosed, type OutputFailed, writeAll, writeText } from "../Output.ts"
import { help, type Invocation, parseInvocation, type UsageError } from "./Args.ts"
import { exitCodeOf, exitCodes } from "./ExitCode.ts"

/** Where the command's output goes. */
export interface OutputDescriptors {
  readonly stdout: number
  readonly stderr: number
}

/** Runs one command line and gives its exit code. `program` is what usage messages call it. */
export const taskExecCommand = (
  program: string,
  argv: ReadonlyArray<string>,
  output: OutputDescriptors = { stdout: 1, stderr: 2 }
): Effect.Effect<number> =>
  parseInvocation(argv, process.env).pipe(
    Effect.flatMap((invocation) => perform(program, invocation, output)),
    Effect.catchTag("UsageError", (error) =>
      Effect.as(say(program, `${error.message}\nSee '${program} --help'.`), exitCodeOf(error))
    ),
    Effect.catchTag("OutputClosed", () => Effect.succeed(exitCodes.outputClosed)),
    Effect.catchTag("OutputFailed", (error) => Effect.as(say(program, error.message), exitCodes.failed))
  )

/** One line on stderr. If nobody reads even that, there is nobody to tell. */
const say = (program: string, text: string) => Effect.ignore(writeText(2, `${program}: ${text}\n`))

const perform = (
  program: string,
  invocation: Invocation,
  output: OutputDescriptors
): Effect.Effect<number, UsageError | OutputClosed | OutputFailed> => {
  switch (invocation._tag) {
    case "Help":
      return Effect.as(writeText(output.stdout, help(program)), 0)
    case "Version":
      return Effect.as(writeText(output.stdout, `${program} ${version}\n`), 0)
    case "Exec":
      return exec(program, invocation, output)
  }
}

const exec = (program: string, invocation: Invocation & { readonly _tag: "Exec" }, output: OutputDescriptors) => {
  const show = (event: TaskExecEvent) => {
    switch (event._tag) {
      case "Stdout":
        return writeAll(output.stdout, event.data)
      case "Stderr":
        return writeAll(output.stderr, event.data)
      case "Exited":
        return Effect.void
      case "Resolved":
      case "Started":
      case "Detached":
        return Effect.logDebug(describe(event))
    }
  }
  return runToEnd(TaskExec.stream(invocation.request), show).pipe(
    // A detached command that was started is a success.
    Effect.map((code) => code ?? 0),
    Effect.provide(TaskExec.layer),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.catchIf(
      (error) => error._tag !== "OutputClosed" && error._tag !== "OutputFailed",
      (error) =>
        error._tag === "ConfigError" || error._tag === "InvalidEndpoint"
          ? Effect.as(say(program, error.message), exitCodes.usage)
          : Effect.as(say(program, error.message), exitCodeOf(error))
    ),
    Effect.provide(logging(program, invocation))
  )
}

const describe = (event: TaskExecEvent & { readonly _tag: "Resolved" | "Started" | "Detached" }): string =>
  event._tag === "Resolved"
    ? `task ${event.task.name} (${event.task.id}) on node ${event.task.node.hostname}, route ${event.route}`
    : `${event._tag.toLowerCase()} as exec ${event.execId}`

/** Warnings and, if asked for, every step on stderr: stdout belongs to the command. */
const logging = (program: string, { debug, quiet }: { readonly debug: boolean; readonly quiet: boolean }) =>
  Layer.mergeAll(
    Logger.layer([
      Logger.make(({ message }) => {
        const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
        process.stderr.write(`${program}: ${text}\n`)
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, debug ? "Debug" : quiet ? "None" : "Warn")
  )
