/** Runs a command in one task, writes its output, and returns the exit code. */
import { constants } from "node:os"
import { isatty } from "node:tty"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { readConfig } from "../../src/engine/DockerConfig.ts"
import { runToEnd } from "../../src/executor/ExecEvent.ts"
import type { RunEvent } from "../../src/Run.ts"
import { type Stage, StageObserver } from "../../src/Stage.ts"
import { TaskExec } from "../../src/TaskExec.ts"
import type { TaskAmbiguous } from "../../src/target/LookupErrors.ts"
import { audited } from "../audit/Auditing.ts"
import { exitCodeOf } from "../command/ExitCode.ts"
import type { UsageError } from "../command/Usage.ts"
import { withEngine } from "../command/withEngine.ts"
import { layOut } from "../LayOut.ts"
import { type LogFormat, lineLogger, lineOf } from "../LineLogger.ts"
import {
  type OutputClosed,
  type OutputFailed,
  stderrScreen,
  writeAll,
  writeStderr,
  writeStderrSync,
  writeText
} from "../Output.ts"
import { SignalHandlers } from "../RunMain.ts"
import { choose } from "../terminal/Choose.ts"
import { openTerminal, standardInput } from "../terminal/Terminal.ts"
import { type Caller, contentOf, traced, writeError } from "./Caller.ts"
import { forwardSignals, type SignalForwarding } from "./ForwardSignals.ts"
import type { Invocation } from "./Invocation.ts"
import { JsonRun } from "./JsonRun.ts"
import { noRecording, openRecording } from "./Recording.ts"
import { makeStageLine, noStageLine, type StageLine } from "./StageLine.ts"
import { Timings, timingsData, waterfall } from "./Timings.ts"

const stdin = 0
const stdout = 1
const stderr = 2

/** Runs a command in one task. */
export const execInOne = Effect.fnUntraced(function* (
  caller: Caller,
  invocation: Invocation & { readonly _tag: "Exec" }
): Effect.fn.Return<number, UsageError | OutputClosed | OutputFailed, Scope.Scope> {
  const { debug, engine, interactive, logFormat, quiet, request, tty } = invocation
  const stage = yield* stageLineFor(invocation)
  const signals = yield* forwardSignals(stage.close)
  const timings = new Timings(() => performance.now())
  const observer = {
    began: (one: Stage) => {
      timings.began(one)
      stage.began(one)
    },
    ended: (one: Stage) => {
      timings.ended(one)
      stage.ended(one)
    },
    progressed: stage.progressed
  }
  const { program } = caller
  const line = lineOf(program, logFormat)
  const json = invocation.json ? new JsonRun(Date.now, contentOf(request)) : undefined
  // A raw terminal takes a line feed literally.
  const lineEnd = tty !== undefined && interactive && isatty(stderr) ? "\r\n" : "\n"
  const log = (message: string, level: LogLevel.LogLevel) => {
    stage.clear()
    writeStderrSync(line(level, message), lineEnd)
  }
  const handlers = yield* SignalHandlers
  handlers.report = (text) => log(text, "Warn")
  return yield* attached(invocation, signals, stage, json).pipe(
    Effect.catchTag("TaskAmbiguous", (error) =>
      canChoose(invocation)
        ? Effect.flatMap(chooseTask(error, stage), (id) =>
            id === undefined
              ? Effect.succeed(128 + constants.signals.SIGINT)
              : attached({ ...invocation, request: { ...request, target: `task/${id}` } }, signals, stage, json)
          )
        : Effect.fail(error)
    ),
    Effect.provideService(StageObserver, observer),
    Effect.ensuring(Effect.sync(stage.close)),
    Effect.tap((end) =>
      end === "Detached" && request.detach !== true
        ? writeStderr(line("Info", "detached: the command keeps running"))
        : Effect.void
    ),
    // A detached command that was started is a success.
    Effect.map((end) => (end === "Detached" ? 0 : end)),
    audited({ ...invocation.audit, recording: invocation.record }),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.tap((code) => (json === undefined ? Effect.void : writeText(stdout, json.finish(code)))),
    Effect.catchIf(
      (error) => error._tag !== "UsageError" && error._tag !== "OutputClosed" && error._tag !== "OutputFailed",
      (error) => {
        const code = signals.exitCode() ?? exitCodeOf(error)
        const written = writeError(caller, logFormat, error, code)
        return json === undefined ? written : Effect.andThen(writeText(stdout, json.fail(code, error)), written)
      }
    ),
    Effect.tap(() => (invocation.timings ? writeTimings(program, logFormat, timings) : Effect.void)),
    traced,
    Effect.provide(lineLogger(log, debug ? "Debug" : quiet ? "None" : "Warn")),
    withEngine(engine)
  )
}, Effect.scoped)

/** Shows the status line only on a terminal that can erase it. */
const stageLineFor = ({ json, logFormat, quiet }: Invocation & { readonly _tag: "Exec" }) => {
  const term = process.env.TERM ?? ""
  return isatty(stderr) && !quiet && !json && logFormat === "text" && term !== "" && term !== "dumb"
    ? makeStageLine(stderrScreen, () => process.stderr.columns)
    : Effect.succeed(noStageLine)
}

/** Whether the user can choose from a list: stdin and stderr are a terminal that can draw one. */
const canChoose = ({ json, logFormat }: Invocation & { readonly _tag: "Exec" }): boolean => {
  const term = process.env.TERM ?? ""
  return !json && isatty(stdin) && isatty(stderr) && logFormat === "text" && term !== "" && term !== "dumb"
}

/** Lets the user choose one of the tasks that the target means. Returns its ID. */
const chooseTask = ({ candidates, target }: TaskAmbiguous, stage: StageLine): Effect.Effect<string | undefined> =>
  Effect.suspend(() => {
    stage.clear()
    const rows = layOut(candidates.map(({ id, name, node }) => [name, node, id.slice(0, 12)]))
    const choices = candidates.map(({ id }, at) => ({ value: id, text: rows[at] ?? id }))
    const columns = () => process.stderr.columns
    return choose(stderrScreen, columns, `${target} has ${candidates.length} running tasks. Choose one:`, choices)
  })

const writeTimings = (program: string, format: LogFormat, timings: Timings) => {
  const measured = timings.end()
  const line = lineOf(program, format)
  return format === "json"
    ? writeStderr(line("Info", "timings", { stages: timingsData(measured) }))
    : Effect.forEach(waterfall(measured), (text) => writeStderr(line("Info", text)), { discard: true })
}

/** Runs the command with this process's terminal. The terminal is restored when the effect ends. */
const attached = Effect.fnUntraced(function* (
  { interactive, record, request, tty }: Invocation & { readonly _tag: "Exec" },
  signals: SignalForwarding,
  stage: StageLine,
  json: JsonRun | undefined
) {
  const detachKeys = tty === undefined ? undefined : (tty.detachKeys ?? (yield* readConfig).detachKeys)
  const hasInput = interactive && request.detach !== true
  const terminal = tty === undefined ? undefined : yield* openTerminal({ input: hasInput })
  const recording =
    record === undefined
      ? noRecording
      : yield* openRecording({
          file: record,
          size: terminal?.size,
          command: ["task-exec", request.target, ...request.command].join(" "),
          term: terminal?.env.TERM
        })
  // The command uses the terminal from its first byte on, and while the user types to it.
  const isShared = tty !== undefined || (interactive && isatty(stdin))
  const write = (event: RunEvent) => {
    if (json !== undefined) return writeText(stdout, json.push(event))
    return event._tag === "Stdout" || event._tag === "Stderr"
      ? writeAll(event._tag === "Stdout" ? stdout : stderr, event.data)
      : Effect.void
  }
  const show = (event: RunEvent) => {
    if (event._tag === "Started" ? isShared : event._tag !== "Resolved") stage.close()
    switch (event._tag) {
      case "Stdout":
      case "Stderr":
        recording.output(event._tag === "Stdout" ? "stdout" : "stderr", event.data)
        return write(event)
      case "Started":
        // An action has no process: a signal ends it at once.
        if (request.action === undefined) signals.start()
        return Effect.andThen(write(event), Effect.logDebug(describe(event)))
      case "Resolved":
      case "Detached":
        return Effect.andThen(write(event), Effect.logDebug(describe(event)))
      case "Exited":
        return write(event)
    }
  }
  const events = TaskExec.stream({
    ...request,
    signals: signals.stream,
    ...(hasInput ? { stdin: standardInput } : {}),
    ...(terminal === undefined
      ? {}
      : {
          env: { ...terminal.env, ...request.env },
          tty: {
            size: terminal.size,
            sizes: Stream.tap(terminal.sizes, (size) => Effect.sync(() => recording.resized(size))),
            ...(detachKeys === undefined ? {} : { detachKeys })
          }
        })
  })
  const code = yield* Effect.provide(runToEnd(events, show), TaskExec.layer)
  return code ?? ("Detached" as const)
}, Effect.scoped)

const describe = (event: RunEvent & { readonly _tag: "Resolved" | "Started" | "Detached" }): string =>
  event._tag === "Resolved"
    ? `task ${event.task.name} (${event.task.id}) on node ${event.task.node.hostname}, route ${event.route}`
    : `${event._tag.toLowerCase()} as exec ${event.execId}`
