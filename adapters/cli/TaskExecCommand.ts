/** The command `task-exec`: a command line in, the command's own output and exit code out. */
import * as Effect from "effect/Effect"
import { version } from "../../src/Version.ts"
import { errorData } from "../command/ErrorData.ts"
import { exitCodeOf } from "../command/ExitCode.ts"
import type { UsageError } from "../command/Usage.ts"
import { lineOf } from "../LineLogger.ts"
import { type OutputClosed, type OutputFailed, say, writeText } from "../Output.ts"
import { help, type Invocation, logFormatOf, parseInvocation } from "./Args.ts"

/** How a shell asks what may come next. */
const completeCommand = "__complete"

const stdout = 1

/** Runs one command line and gives its exit code. `program` is what usage messages call it. */
export const taskExecCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  argv[0] === completeCommand
    ? Effect.promise(() => import("./Complete.ts")).pipe(Effect.flatMap((_) => _.complete(argv.slice(1))))
    : runLine(program, argv)

const runLine = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const tell = (error: UsageError | OutputFailed, hint: string) => {
    const line = lineOf(program, logFormatOf(argv))
    return say(line("Error", error.message, { error: errorData(error) }, hint))
  }
  return parseInvocation(argv, process.env).pipe(
    Effect.flatMap((invocation) => perform(program, invocation)),
    Effect.catchTags({
      UsageError: (error) => Effect.as(tell(error, `\nSee '${program} --help'.`), exitCodeOf(error)),
      OutputClosed: (error) => Effect.succeed(exitCodeOf(error)),
      OutputFailed: (error) => Effect.as(tell(error, ""), exitCodeOf(error))
    })
  )
}

/** What is not needed to say how it is used is loaded only now. */
const perform = (
  program: string,
  invocation: Invocation
): Effect.Effect<number, UsageError | OutputClosed | OutputFailed> => {
  switch (invocation._tag) {
    case "Help":
      return Effect.as(writeText(stdout, help(program)), 0)
    case "Version":
      return Effect.as(writeText(stdout, `${program} ${version}\n`), 0)
    case "Exec":
      return Effect.promise(() => import("./ExecCommand.ts")).pipe(
        Effect.flatMap((_) => _.execInOne(program, invocation))
      )
    case "Fleet":
      return Effect.promise(() => import("./ExecCommand.ts")).pipe(
        Effect.flatMap((_) => _.execInMany(program, invocation))
      )
  }
}
