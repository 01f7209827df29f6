/** Runs a command in many tasks, shows its output, and returns the exit code. */
import { isatty } from "node:tty"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import { audited } from "../audit/Auditing.ts"
import { exitCodeOf } from "../command/ExitCode.ts"
import type { UsageError } from "../command/Usage.ts"
import { withEngine } from "../command/withEngine.ts"
import { fleetCommand } from "../fleet/FleetCommand.ts"
import { JsonLines } from "../fleet/JsonLines.ts"
import { makeStatusLine, noStatusLine } from "../fleet/StatusLine.ts"
import { lineLogger, lineOf } from "../LineLogger.ts"
import { type OutputClosed, type OutputFailed, stderrScreen, writeStderrSync, writeText } from "../Output.ts"
import { SignalHandlers } from "../RunMain.ts"
import { type Caller, contentOf, traced, writeError } from "./Caller.ts"
import type { Invocation } from "./Invocation.ts"

const stdout = 1
const stderr = 2

/** Runs a command in many tasks. Fails only before any command runs: an error in one task is part of that task's result. */
export const execInMany = Effect.fnUntraced(function* (
  caller: Caller,
  invocation: Invocation & { readonly _tag: "Fleet" }
): Effect.fn.Return<number, UsageError | OutputClosed | OutputFailed, Scope.Scope> {
  const { fleet, logFormat } = invocation
  const line = lineOf(caller.program, logFormat)
  const json = new JsonLines(Date.now, contentOf(invocation.request))
  const finish = (text: string) => (fleet.form === "json" && !fleet.list ? writeText(stdout, text) : Effect.void)
  const status = yield* statusLineFor(invocation)
  const log = (message: string, level: LogLevel.LogLevel) => {
    status.clear()
    writeStderrSync(line(level, message))
  }
  const handlers = yield* SignalHandlers
  handlers.report = (text) => log(text, "Warn")
  return yield* fleetCommand(line, status, json, invocation).pipe(
    audited(invocation.audit),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.tap((code) => finish(json.finish(code))),
    Effect.catchIf(
      (error) => error._tag !== "OutputClosed" && error._tag !== "OutputFailed",
      (error) => {
        const code = exitCodeOf(error)
        return Effect.andThen(finish(json.finish(code, error)), writeError(caller, logFormat, error, code))
      }
    ),
    traced,
    Effect.provide(lineLogger(log, invocation.debug ? "Debug" : invocation.quiet ? "None" : "Warn")),
    withEngine(invocation.engine)
  )
}, Effect.scoped)

const statusLineFor = ({ fleet, quiet, request }: Invocation & { readonly _tag: "Fleet" }) =>
  isatty(stderr) && !quiet && fleet.form !== "json" && request.action?._tag !== "Logs"
    ? makeStatusLine(stderrScreen, () => process.stderr.columns)
    : Effect.succeed(noStatusLine)
