/** Runs a build tool. Log messages and errors go to stderr, one line each. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { inOneEntry } from "./Printable.ts"

/** Logs a message as a line without time and level. */
const plain = Logger.withConsoleError(
  Logger.make(({ message }) => inOneEntry(Array.isArray(message) ? message.join(" ") : String(message)))
)

/** Runs a tool. The process exits with 0, or with the error's exit code (`Runtime.errorExitCode`, default 1). */
export const runTool = <E extends { readonly message: string }>(main: Effect.Effect<void, E>): void =>
  main.pipe(
    Effect.tapCause((cause) =>
      Option.match(Cause.findErrorOption(cause), {
        onSome: (error) => Effect.logError(`error: ${error.message}`),
        // A defect. An interruption has no message.
        onNone: () => (Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(Cause.pretty(cause)))
      })
    ),
    Effect.provide(Logger.layer([plain])),
    NodeRuntime.runMain({ disableErrorReporting: true })
  )
