/** Runs a program's one effect and ends the process with its exit code: the one place that does so. */

import { constants } from "node:os"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { sayNow } from "./Output.ts"
import { inOneEntry } from "./Printable.ts"

/** The signals that ask a program to end. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP"

/** What a program does with a signal instead of being interrupted; `false` if it is to be interrupted all the same. */
export type SignalHandler = (signal: EndSignal) => boolean

/** Who wants to have the signals. */
export class SignalHandlers extends Context.Reference<{ current: SignalHandler | undefined }>(
  "task-exec/adapters/SignalHandlers",
  { defaultValue: () => ({ current: undefined }) }
) {}

/**
 * The effect's value is the exit code. SIGINT, SIGTERM and SIGHUP go to its {@link SignalHandlers}, or interrupt it; its
 * finalizers run to their end, and the process then ends with 128 + the signal's number. (Effect's own `runMain` leaves
 * SIGHUP to Node, which ends the process at once, and says 130 for SIGTERM.)
 */
export const runMain = (program: Effect.Effect<number>): void => {
  const handlers: { current: SignalHandler | undefined } = { current: undefined }
  const fiber = Effect.runFork(Effect.provideService(program, SignalHandlers, handlers))
  let received: EndSignal | undefined
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (handlers.current?.(signal) === true) return
      received ??= signal
      fiber.interruptUnsafe()
    })
  }
  // Neither a fiber nor a signal handler keeps Node alive.
  const alive = setInterval(() => undefined, 2 ** 30)
  fiber.addObserver((exit) => {
    clearInterval(alive)
    process.exit(exitCode(exit, received))
  })
}

const exitCode = (exit: Exit.Exit<number>, received: NodeJS.Signals | undefined): number => {
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause) && received !== undefined) return 128 + constants.signals[received]
  sayNow(`internal error: ${inOneEntry(Cause.pretty(exit.cause))}\n`)
  return 125
}
