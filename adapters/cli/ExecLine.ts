/** Runs a command line of `task-exec exec`, or of a verb with its flags. */
import * as Effect from "effect/Effect"
import { version } from "../../src/Version.ts"
import { errorData } from "../command/ErrorData.ts"
import { exitCodeOf, usageHint } from "../command/ExitCode.ts"
import { type CommandHelp, renderHelp } from "../command/Help.ts"
import type { UsageError } from "../command/Usage.ts"
import { lineOf } from "../LineLogger.ts"
import { type OutputClosed, type OutputFailed, writeStderr, writeText } from "../Output.ts"
import type { Caller } from "./Caller.ts"
import type { ExecVerb } from "./ExecVerb.ts"
import { type Invocation, logFormatOf } from "./Invocation.ts"

const stdout = 1

/** A verb, and how it was called. */
export interface Called {
  readonly caller: Caller
  readonly verb: ExecVerb
  /** The help that `--help` prints, and the verb that its headline names: none for `task-exec` itself. */
  readonly about: readonly [name: string, help: CommandHelp]
}

/** Returns a verb as called by its name. */
export const calledBy = (program: string, verb: ExecVerb): Called => ({
  caller: { program, command: `${program} ${verb.name}` },
  verb,
  about: [verb.name, verb.help]
})

/** Runs one command line and returns its exit code. */
export const runLine = ({ about, caller, verb }: Called, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  verb.parse(argv, process.env).pipe(
    Effect.flatMap((invocation) => perform(caller, renderHelp(caller.program, ...about), invocation)),
    Effect.catch((error) =>
      error._tag === "OutputClosed" ? Effect.succeed(exitCodeOf(error)) : failLine(caller, error, argv)
    )
  )

/** Writes an error to stderr and returns its exit code. */
export const failLine = (
  { command, program }: Caller,
  error: UsageError | OutputFailed,
  argv: ReadonlyArray<string>
): Effect.Effect<number> => {
  const line = lineOf(program, logFormatOf(argv))
  const exitCode = exitCodeOf(error)
  return Effect.as(
    writeStderr(line("Error", error.message, { exitCode, error: errorData(error) }, usageHint(command, error))),
    exitCode
  )
}

/** Runs an invocation. Loads the code for it only here. */
const perform = (
  caller: Caller,
  text: string,
  invocation: Invocation
): Effect.Effect<number, UsageError | OutputClosed | OutputFailed> => {
  switch (invocation._tag) {
    case "Help":
      return Effect.as(writeText(stdout, text), 0)
    case "Version":
      return Effect.as(writeText(stdout, `${caller.program} ${version}\n`), 0)
    case "Exec":
      return Effect.promise(() => import("./ExecInOne.ts")).pipe(Effect.flatMap((_) => _.execInOne(caller, invocation)))
    case "Fleet":
      return Effect.promise(() => import("./ExecInMany.ts")).pipe(
        Effect.flatMap((_) => _.execInMany(caller, invocation))
      )
  }
}
