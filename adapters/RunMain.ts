/** Runs a program's one effect and ends the process with its exit code: the one place that does so. */

import { constants } from "node:os"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/**
 * The effect's value is the exit code. SIGINT, SIGTERM and SIGHUP interrupt it; its finalizers run to their end, and
 * the process then ends with 128 + the signal's number. (Effect's own `runMain` leaves SIGHUP to Node, which ends the
 * process at once, and says 130 for SIGTERM.)
 */
export const runMain = (program: Effect.Effect<number>): void => {
  const fiber = Effect.runFork(program)
  let received: (typeof signals)[number] | undefined
  for (const signal of signals) {
    process.on(signal, () => {
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
  process.stderr.write(`internal error: ${Cause.pretty(exit.cause)}\n`)
  return 125
}
