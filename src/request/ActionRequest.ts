/** Actions that an executor performs instead of running a command: read a container's log, or send a signal to its main process. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Action } from "../executor/Action.ts"
import { containerSignal } from "./ContainerSignal.ts"
import { InvalidRequest } from "./InvalidRequest.ts"
import { parseLogTime } from "./LogTime.ts"

/**
 * The lines of a log to read. Default: all lines that the engine has kept.
 *
 * @category requests
 * @since 0.2.0
 */
export interface LogOptions {
  /** Continue with new lines until the container ends. Default `false`. */
  readonly follow?: boolean
  /** The most lines from the end of the log. */
  readonly tail?: number
  /**
   * Only lines from this time on, in the forms of `docker logs`: `10m` (ago), `2026-01-31T08:30:00Z`, Unix seconds. A text without a zone
   * is in the zone of this process.
   */
  readonly since?: string
  /** Only lines up to this time. With `follow`, reading stops at this time. */
  readonly until?: string
  /** Put the line's time (RFC 3339 in UTC, with nanoseconds) and a space before each line. Default `false`. */
  readonly timestamps?: boolean
}

/**
 * The signal to send: its name with or without `SIG`, or its number on Linux (1 to 64).
 *
 * @category requests
 * @since 0.2.0
 */
export interface SignalOptions {
  readonly signal: string
}

/**
 * An action that runs instead of a command: read a log, or send a signal.
 *
 * **When to use**: `TaskExec.logs` and `TaskExec.signal` make these requests.
 *
 * @category requests
 * @since 0.2.0
 */
export type ActionRequest = ({ readonly _tag: "Logs" } & LogOptions) | ({ readonly _tag: "Signal" } & SignalOptions)

/** Validates an action. Converts relative times to absolute times by the clock of this process. */
export const checkAction = Effect.fnUntraced(function* (
  request: ActionRequest
): Effect.fn.Return<Action, InvalidRequest> {
  if (request._tag === "Signal") {
    const signal = containerSignal(request.signal)
    if (signal !== undefined) return { _tag: "Signal", signal }
    const detail = `signal must be a name such as HUP, or a number from 1 to 64, not ${JSON.stringify(request.signal)}`
    return yield* new InvalidRequest({ detail })
  }
  const { follow = false, since, tail, timestamps = false, until } = request
  if (tail !== undefined && !(Number.isSafeInteger(tail) && tail >= 0)) {
    return yield* new InvalidRequest({ detail: `tail must be a number of lines, not ${tail}` })
  }
  return {
    _tag: "Logs",
    follow,
    timestamps,
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since: yield* checkTime("since", since) }),
    ...(until === undefined ? {} : { until: yield* checkTime("until", until) })
  }
})

const checkTime = Effect.fnUntraced(function* (name: string, time: string): Effect.fn.Return<string, InvalidRequest> {
  const parsed = parseLogTime(time, yield* Clock.currentTimeMillis)
  if (Result.isSuccess(parsed)) return parsed.success
  return yield* new InvalidRequest({ detail: `${name}: ${parsed.failure.message}` })
})
