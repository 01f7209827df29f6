/** Forwards this process's signals to the command. */
import { constants } from "node:os"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { Signal } from "../../src/executor/ExecSpec.ts"
import { SignalHandlers } from "../RunMain.ts"
import type { EndSignal } from "../SignalEscalation.ts"

/** Signals on their way to the command. */
export interface SignalForwarding {
  readonly stream: Stream.Stream<Signal>
  /** Call it when the command runs. */
  readonly start: () => void
  /** The exit code of the first signal, for a command whose own exit code is unknown. */
  readonly exitCode: () => number | undefined
}

/**
 * Forwards signals to the command. The first SIGINT, SIGTERM or SIGHUP goes to the command, and task-exec waits for its end. The next
 * one becomes SIGKILL. A signal that comes before the command runs interrupts. Calls `onSignal` for each signal.
 */
export const forwardSignals = Effect.fnUntraced(function* (onSignal: () => void): Effect.fn.Return<SignalForwarding> {
  const handlers = yield* SignalHandlers
  const queue = yield* Queue.unbounded<Signal>()
  let first: EndSignal | undefined
  handlers.current = () => {
    onSignal()
    return false
  }
  const start = () => {
    handlers.current = (signal) => {
      onSignal()
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
