/** `task-exec port-forward`: forwards local ports to a task until it is interrupted. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { summaryOf } from "../../src/engine/Hints.ts"
import type { BoundPort, ForwardEvent, Forwarding } from "../../src/forward/Forwarding.ts"
import { addressText } from "../../src/forward/Listen.ts"
import { TaskExec } from "../../src/TaskExec.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { audited } from "../audit/Auditing.ts"
import { Channel } from "../command/Channel.ts"
import { errorData } from "../command/ErrorData.ts"
import { readLine, reportFailure } from "../command/Subcommand.ts"
import { withEngine } from "../command/withEngine.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"
import { toJson } from "../Printable.ts"
import { SignalHandlers } from "../RunMain.ts"
import { type ForwardLine, forwardFlags, forwardHelp, isLoopback, parseForward } from "./ForwardArgs.ts"

/** Runs one command line and returns its exit code. */
export const forwardCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const line = { program, name: "port-forward", help: forwardHelp, flags: forwardFlags, argv }
  return readLine(line).pipe(
    Effect.flatMap((read) =>
      read === undefined
        ? Effect.succeed(0)
        : Effect.flatMap(parseForward(read), (parsed) => run(`${program} port-forward`, parsed))
    ),
    Effect.catch((error) => reportFailure(line, error, new Channel(2)))
  )
}

const run = (program: string, line: ForwardLine) =>
  forward(line).pipe(
    Effect.scoped,
    audited(),
    Effect.provide(TaskExec.layer),
    Effect.tapCause((cause) => Effect.logDebug(Cause.pretty(cause))),
    Effect.provide(stderrLogger(lineOf(program, "text"), line.debug ? "Debug" : line.quiet ? "None" : "Warn")),
    withEngine(line.engine)
  )

const forward = Effect.fn("task-exec.port-forward")(function* ({ addresses, json, quiet, request }: ForwardLine) {
  for (const address of addresses.filter((one) => !isLoopback(one))) {
    yield* Effect.logWarning(`${address} can be reached from other machines, and with it the task's ports`)
  }
  const forwarding = yield* TaskExec.forward(request)
  const interrupted = yield* untilInterrupted
  const stdout = new Channel(1)
  for (const port of forwarding.ports) {
    if (json) yield* stdout.line(toJson({ event: "forwarding", ...port, ...taskAndNode(forwarding.task) }))
    else if (!quiet) yield* stdout.line(forwardingLine(port, forwarding.task))
  }
  const printed = Stream.runForEach(forwarding.events, (event) =>
    json ? stdout.line(toJson(dataOf(event))) : printEvent(event, forwarding)
  )
  yield* Effect.raceFirst(printed, Deferred.await(interrupted))
  return 0
})

/** Completes on SIGINT, which is how people end the command: it is no failure then. Other signals interrupt. */
const untilInterrupted = Effect.gen(function* () {
  const handlers = yield* SignalHandlers
  const interrupted = yield* Deferred.make<void>()
  handlers.current = (signal) => signal === "SIGINT" && Deferred.doneUnsafe(interrupted, Effect.void)
  return interrupted
})

/** `Forwarding from 127.0.0.1:8080 -> 80 (web.2 on node-3)`. */
export const forwardingLine = ({ address, local, remote }: BoundPort, { name, node }: ResolvedTask): string =>
  `Forwarding from ${addressText(address, local)} -> ${remote} (${name} on ${node.hostname})`

const taskAndNode = ({ name, node }: ResolvedTask) => ({ task: name, node: node.hostname })

/** Reports an event on stderr. */
const printEvent = (event: ForwardEvent, { task }: Forwarding): Effect.Effect<void> => {
  switch (event._tag) {
    case "Opened":
      return event.task.id === task.id
        ? Effect.void
        : Effect.logWarning(`forwarding to ${event.task.name} on ${event.task.node.hostname}`)
    case "Connected":
      return Effect.logDebug(`connected to port ${event.remote}`)
    case "Refused":
      return Effect.logWarning(`cannot connect to port ${event.remote} of ${task.name}: ${event.reason}`)
    case "Lost":
      return Effect.logWarning(`${summaryOf(event.error)}; waiting for its replacement`)
  }
}

/** The event as a line of JSON. */
const dataOf = (event: ForwardEvent): Readonly<Record<string, unknown>> => {
  switch (event._tag) {
    case "Opened":
      return { event: "opened", ...taskAndNode(event.task), route: event.route }
    case "Connected":
      return { event: "connected", remote: event.remote }
    case "Refused":
      return { event: "refused", remote: event.remote, reason: event.reason }
    case "Lost":
      return {
        event: "lost",
        ...taskAndNode(event.task),
        error: event.error._tag,
        message: event.error.message,
        data: errorData(event.error)
      }
  }
}
