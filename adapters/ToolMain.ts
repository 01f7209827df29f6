/** The end of a tool that builds something: what happens on stderr, a line each, and one line for what went wrong. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { inOneEntry } from "./Printable.ts"

/** One line for each thing that happens, without the furniture. */
const plain = Logger.withConsoleError(
  Logger.make(({ message }) => inOneEntry(Array.isArray(message) ? message.join(" ") : String(message)))
)

/** Runs it; the process ends with 0, or with what the error says of itself (`Runtime.errorExitCode`), 1 unless it does. */
export const runTool = <E extends { readonly message: string }>(main: Effect.Effect<void, E>): void =>
  main.pipe(
    Effect.tapCause((cause) =>
      Option.match(Cause.findErrorOption(cause), {
        onSome: (error) => Effect.logError(`error: ${error.message}`),
        // A defect, or an interruption, which says nothing.
        onNone: () => (Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(Cause.pretty(cause)))
      })
    ),
    Effect.provide(Logger.layer([plain])),
    NodeRuntime.runMain({ disableErrorReporting: true })
  )
