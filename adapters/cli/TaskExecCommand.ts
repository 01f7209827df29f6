/** The command `task-exec`: a command line in, the command's own output and exit code out. */
import { constants } from "node:os"
import { isatty } from "node:tty"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { environmentWith } from "../../src/engine/Environment.ts"
import { runToEnd } from "../../src/executor/ExecEvent.ts"
import type { Signal } from "../../src/executor/ExecSpec.ts"
import { TaskExec, type TaskExecEvent } from "../../src/TaskExec.ts"
import { version } from "../../src/Version.ts"
import { fleetCommand } from "../fleet/FleetCommand.ts"
import { stderrLogger } from "../LineLogger.ts"
import { type OutputClosed, type OutputFailed, writeAll, writeText } from "../Output.ts"
import { type EndSignal, SignalHandlers } from "../RunMain.ts"
import { openTerminal, standardInput } from "../terminal/Terminal.ts"
import { help, type Invocation, parseInvocation } from "./Args.ts"
import { exitCodeOf, exitCodes } from "./ExitCode.ts"
import { Timings, waterfall } from "./Timings.ts"
import type { UsageError } from "./Usage.ts"

/** How a shell asks what may come next. */
const completeCommand = "__complete"

const stdout = 1
const stderr = 2

/** Runs one command line and gives its exit code. `program` is what usage messages call it. */
export const taskExecCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  argv[0] === completeCommand
    ? Effect.promise(() => import("./Complete.ts")).pipe(Effect.flatMap((_) => _.complete(argv.slice(1))))
    : runLine(program, argv)

const runLine = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  parseInvocation(argv, process.env).pipe(
    Effect.flatMap((invocation) => perform(program, invocation)),
    Effect.catchTag("UsageError", (error) =>
      Effect.as(say(program, `${error.message}\nSee '${program} --help'.`), exitCodeOf(error))
    ),
    Effect.catchTag("OutputClosed", () => Effect.succeed(exitCodes.outputClosed)),
    Effect.catchTag("OutputFailed", (error) => Effect.as(say(program, error.message), exitCodes.failed))
  )

/** One line on stderr. If nobody reads even that, there is nobody to tell. */
const say = (program: string, text: string) => Effect.ignore(writeText(stderr, `${program}: ${text}\n`))

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
      return Effect.provide(exec(program, invocation), environmentWith(invocation.engine))
    case "Fleet":
      return Effect.provide(execInMany(program, invocation), environmentWith(invocation.engine))
  }
}

const exec = Effect.fnUntraced(function* (
  program: string,
  invocation: Invocation & { readonly _tag: "Exec" }
): Effect.fn.Return<number, UsageError | OutputClosed | OutputFailed> {
  const { debug, interactive, quiet, request, tty } = invocation
  const signals = yield* forwardSignals
  // A raw terminal takes a line feed literally.
  const lineEnd = tty !== undefined && interactive && isatty(stderr) ? "\r\n" : "\n"
  const timings = new Timings(() => performance.now())
  timings.enter("find")
  return yield* attached(invocation, signals, timings).pipe(
    Effect.tap((end) =>
      end === "Detached" && request.detach !== true ? say(program, "detached; the command goes on") : Effect.void
    ),
    // A detached command that was started is a success.
    Effect.map((end) => (end === "Detached" ? 0 : end)),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.catchIf(
      (error) => error._tag !== "UsageError" && error._tag !== "OutputClosed" && error._tag !== "OutputFailed",
      (error) => Effect.as(say(program, error.message), signals.exitCode() ?? exitCodeOf(error))
    ),
    Effect.tap(() => (invocation.timings ? tellTimings(program, timings) : Effect.void)),
    Effect.provide(stderrLogger(program, debug ? "Debug" : quiet ? "None" : "Warn", lineEnd))
  )
})

const tellTimings = (program: string, timings: Timings) =>
  Effect.forEach(waterfall(timings.end()), (line) => say(program, line), { discard: true })

/** Errors before anything runs; what goes wrong with a single task is shown with it. */
const execInMany = (program: string, invocation: Invocation & { readonly _tag: "Fleet" }) =>
  fleetCommand(program, invocation).pipe(
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.catchIf(
      (error) => error._tag !== "OutputClosed" && error._tag !== "OutputFailed",
      (error) => Effect.as(say(program, error.message), exitCodeOf(error))
    ),
    Effect.provide(stderrLogger(program, invocation.debug ? "Debug" : invocation.quiet ? "None" : "Warn"))
  )

/** Runs the command, with our terminal for its own; done when the terminal is again as it was. */
const attached = Effect.fnUntraced(function* (
  { interactive, request, tty }: Invocation & { readonly _tag: "Exec" },
  signals: Forwarding,
  timings: Timings
) {
  const terminal = tty === undefined ? undefined : yield* openTerminal({ input: interactive })
  const show = (event: TaskExecEvent) => {
    switch (event._tag) {
      case "Stdout":
        return writeAll(stdout, event.data)
      case "Stderr":
        return writeAll(stderr, event.data)
      case "Started":
        timings.enter("run")
        return Effect.andThen(Effect.sync(signals.start), Effect.logDebug(describe(event)))
      case "Resolved":
        timings.enter("reach")
        return Effect.logDebug(describe(event))
      case "Detached":
        timings.enter("clean")
        return Effect.logDebug(describe(event))
      case "Exited":
        timings.enter("clean")
        return Effect.void
    }
  }
  const events = TaskExec.stream({
    ...request,
    signals: signals.stream,
    ...(interactive && request.detach !== true ? { stdin: standardInput } : {}),
    ...(terminal === undefined
      ? {}
      : {
          env: { ...terminal.env, ...request.env },
          tty: {
            size: terminal.size,
            sizes: terminal.sizes,
            ...(tty?.detachKeys === undefined ? {} : { detachKeys: tty.detachKeys })
          }
        })
  })
  const code = yield* Effect.provide(runToEnd(events, show), TaskExec.layer)
  return code ?? ("Detached" as const)
}, Effect.scoped)

/** Signals on their way to the command. */
interface Forwarding {
  readonly stream: Stream.Stream<Signal>
  /** To be called when the command runs. */
  readonly start: () => void
  /** The exit code for a signal that came, if none is known of the command. */
  readonly exitCode: () => number | undefined
}

/**
 * The first SIGINT, SIGTERM or SIGHUP goes to the command, whose end and last output are waited for; the next one is a
 * KILL. Before the command runs there is nothing to send them to, and they interrupt.
 */
const forwardSignals: Effect.Effect<Forwarding> = Effect.gen(function* () {
  const handlers = yield* SignalHandlers
  const queue = yield* Queue.unbounded<Signal>()
  let first: EndSignal | undefined
  const start = () => {
    handlers.current = (signal) => {
      Queue.offerUnsafe(queue, first === undefined ? signal : "SIGKILL")
      first ??= signal
      return true
    }
  }
  return {
    stream: Stream.fromQueue(queue),
    start,
    exitCode: () => (first === undefined ? undefined : 128 + constants.signals[first])
  }
})

const describe = (event: TaskExecEvent & { readonly _tag: "Resolved" | "Started" | "Detached" }): string =>
  event._tag === "Resolved"
    ? `task ${event.task.name} (${event.task.id}) on node ${event.task.node.hostname}, route ${event.route}`
    : `${event._tag.toLowerCase()} as exec ${event.execId}`
