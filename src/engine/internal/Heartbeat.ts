/**
 * Notices that an engine has fallen silent: its connections stay open, but no byte arrives (a dropped VPN, a dead NAT entry).
 *
 * An exchange is a request with its response. While an exchange is open and no byte arrives on any connection to the engine, the engine is
 * pinged on another connection, after 5 and after 10 seconds. After 15 seconds of silence, every open exchange fails. An engine that sends
 * bytes is never pinged, and others at most every 5 seconds: `/_ping` takes no lock, and every engine answers it.
 *
 * Silence is counted in ticks, not by the clock. So a process that was suspended, or had no CPU time, does not take the engine for silent.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** Milliseconds of a tick. */
const tick = 1000
/** Silent ticks after which the engine is pinged for the first time. The second ping follows after twice this number. */
const pingAfter = 5
/** Silent ticks after which the engine is given up. */
const giveUpAfter = 15
/** Milliseconds within which an engine that was given up must answer a ping. */
const probeTimeout = 3000
/** The least pause between two pings of an engine that was given up, in milliseconds. */
const probePause = 5000

/** The error of an exchange with a silent engine. */
export class EngineSilent extends Error {
  /** `ENGINE_SILENT`: the engine may have acted. `ENGINE_NOT_ASKED`: no request was sent, because the engine was given up before. */
  readonly code: "ENGINE_SILENT" | "ENGINE_NOT_ASKED"
  constructor(code: EngineSilent["code"]) {
    super(`no response for ${(giveUpAfter * tick) / 1000} s`)
    this.code = code
  }
}

/** Watches the exchanges with one engine. */
export interface Heartbeat {
  /**
   * Run it before a request is sent. Fails while the engine is given up. Pings the engine at times to find out whether it responds again.
   */
  readonly admit: Effect.Effect<void, EngineSilent>
  /** Opens an exchange, which ends with the scope. Calls `giveUp` once if the engine falls silent during the exchange. */
  readonly exchange: (giveUp: (silence: EngineSilent) => void) => Effect.Effect<void, never, Scope.Scope>
}

/** Options of {@link makeHeartbeat}. */
export interface HeartbeatOptions {
  /** Returns the number of bytes received so far on all connections to the engine. */
  readonly received: () => number
  /** Completes when the engine has answered or refused the ping. */
  readonly ping: Effect.Effect<void>
}

/** Makes the heartbeat of one engine. It counts ticks only while an exchange is open. */
export const makeHeartbeat = Effect.fnUntraced(function* ({
  ping,
  received
}: HeartbeatOptions): Effect.fn.Return<Heartbeat, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const probing = yield* Semaphore.make(1)
  const open = new Set<(silence: EngineSilent) => void>()
  let isBeating = false
  let isSilent = false
  let probedAt = 0

  // A timeout, because an unanswered ping would keep its connection open.
  const pingOnce = Effect.timeoutOption(ping, (giveUpAfter - pingAfter) * tick)
  const beat = Effect.gen(function* () {
    let before = received()
    for (let quiet = 0; open.size > 0; ) {
      yield* Effect.sleep(tick)
      const now = received()
      quiet = now === before ? quiet + 1 : 0
      if (now !== before) isSilent = false
      before = now
      if (quiet === pingAfter || quiet === 2 * pingAfter) yield* Effect.forkIn(pingOnce, scope)
      if (quiet < giveUpAfter) continue
      isSilent = true
      probedAt = yield* Clock.currentTimeMillis
      for (const giveUp of [...open]) giveUp(new EngineSilent("ENGINE_SILENT"))
      open.clear()
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        isBeating = false
      })
    )
  )

  const probe = Effect.gen(function* () {
    if (!isSilent) return
    const refusal = new EngineSilent("ENGINE_NOT_ASKED")
    if ((yield* Clock.currentTimeMillis) - probedAt < probePause) return yield* Effect.fail(refusal)
    const hasAnswered = yield* Effect.as(ping, true).pipe(
      Effect.timeoutOrElse({ duration: probeTimeout, orElse: () => Effect.succeed(false) })
    )
    probedAt = yield* Clock.currentTimeMillis
    if (!hasAnswered) return yield* Effect.fail(refusal)
    isSilent = false
  })

  return {
    admit: Effect.suspend(() => (isSilent ? probing.withPermits(1)(probe) : Effect.void)),
    exchange: (giveUp) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          open.add(giveUp)
          if (isBeating) return Effect.void
          isBeating = true
          return Effect.asVoid(Effect.forkIn(beat, scope))
        }),
        () => Effect.sync(() => open.delete(giveUp))
      )
  }
})
