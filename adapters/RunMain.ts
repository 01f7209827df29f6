/** Runs a program's effect and ends the process with its exit code. No other module ends the process. */

import { constants } from "node:os"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CurrentInventory, Inventory } from "../src/engine/Inventory.ts"
import { writeStderrSync } from "./Output.ts"
import { inOneEntry } from "./Printable.ts"
import { type EndSignal, SignalEscalation } from "./SignalEscalation.ts"

/** Handles a signal instead of the default interruption. Returns `false` to interrupt the program nevertheless. */
export type SignalHandler = (signal: EndSignal) => boolean

/** How a program handles signals and writes messages about them. */
export interface SignalHandling {
  /** Receives the first signal and the second one. */
  current: SignalHandler | undefined
  /** Writes a message about a signal. Default: a line on stderr. */
  report: ((text: string) => void) | undefined
}

/** The signal handling of the program. */
export class SignalHandlers extends Context.Reference<SignalHandling>("task-exec/adapters/SignalHandlers", {
  defaultValue: () => ({ current: undefined, report: undefined })
}) {}

/**
 * Runs a program whose effect returns the exit code. SIGINT, SIGTERM and SIGHUP go to its {@link SignalHandlers}, or interrupt it. Its
 * finalizers run to their end, and the process then exits with 128 + the signal's number. (Effect's own `runMain` leaves SIGHUP to Node,
 * which ends the process at once, and exits with 130 for SIGTERM.)
 *
 * With a `name`, messages about signals begin with it, and {@link SignalEscalation} limits the time to the end. Without a name, the effect may
 * take any time, as in a container of a run.
 */
export const runMain = (program: Effect.Effect<number>, name?: string): void => {
  const handlers: SignalHandling = { current: undefined, report: undefined }
  const inventory = new Inventory()
  const fiber = Effect.runFork(
    program.pipe(Effect.provideService(SignalHandlers, handlers), Effect.provideService(CurrentInventory, inventory))
  )
  let received: EndSignal | undefined
  const deliver = (signal: EndSignal) => {
    if (handlers.current?.(signal) === true) return
    received ??= signal
    fiber.interruptUnsafe()
  }
  const escalation = new SignalEscalation({
    inventory,
    deliver,
    report: (text) => (handlers.report ?? ((line: string) => writeStderrSync(`${name}: ${line}\n`)))(text),
    exit: (code) => process.exit(code),
    after: (millis, act) => setTimeout(act, millis)
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => (name === undefined ? deliver(signal) : escalation.receive(signal)))
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
  writeStderrSync(`internal error: ${inOneEntry(Cause.pretty(exit.cause))}\n`)
  return 125
}
