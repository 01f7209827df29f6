/** Common parts of runs in one task and in many: the caller, errors on stderr, and spans. */
import * as Effect from "effect/Effect"
import { nearest } from "../../src/internal/Nearest.ts"
import type { CommandRequest } from "../../src/request/ExecRequest.ts"
import { errorData } from "../command/ErrorData.ts"
import { type CommandError, usageHint } from "../command/ExitCode.ts"
import type { Content } from "../fleet/JsonLines.ts"
import { type LogFormat, lineOf } from "../LineLogger.ts"
import { type OutputFailed, writeStderr } from "../Output.ts"
import { verbNames } from "./VerbNames.ts"

/** How the program was called. */
export interface Caller {
  /** What messages begin with: `task-exec`, `docker taskexec`. */
  readonly program: string
  /** The command whose `--help` a usage error names: `task-exec exec`. */
  readonly command: string
}

/** Writes an error to stderr, as text or as JSON with the error's data. Returns `exitCode`. */
export const writeError = (
  { command, program }: Caller,
  format: LogFormat,
  error: CommandError | OutputFailed,
  exitCode: number
): Effect.Effect<number> => {
  const hint = `${suggestVerb(error)}${usageHint(command, error)}`
  const line = lineOf(program, format)
  return Effect.as(writeStderr(line("Error", error.message, { exitCode, error: errorData(error) }, hint)), exitCode)
}

/** A target that does not exist may be a mistyped verb. */
const suggestVerb = (error: CommandError | OutputFailed): string => {
  const verb = error._tag === "TaskNotFound" ? nearest(error.target, verbNames) : undefined
  return verb === undefined ? "" : `\nDid you mean 'task-exec ${verb}'?`
}

/** Sends the spans of a run to the collector that the environment names. */
export const traced = <E>(run: Effect.Effect<number, E>): Effect.Effect<number, E> =>
  (process.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? "") === ""
    ? run
    : Effect.promise(() => import("../Telemetry.ts")).pipe(Effect.flatMap((_) => _.exportSpans(run)))

/** Returns the kind of a request's output, for JSON lines. */
export const contentOf = ({ action }: CommandRequest): Content => (action?._tag === "Logs" ? "log" : "bytes")
