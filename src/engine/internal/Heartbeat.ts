/**
 * Notices that an engine has fallen silent: its connections stay open, but no byte arrives (a dropped VPN, a dead NAT entry).
 *
 * An exchange is a request with its response. While an exchange is open and no byte arrives on any connection to the engine, the engine is
 * pinged on another connection, after 5 and after 10 seconds. After 15 seconds of silence, every open exchange fails. An engine that sends
 * bytes is never pinged, and others at most every 5 seconds: `/_ping` takes no lock, and every engine responds to it.
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
/** Milliseconds within which an engine that was given up must respond to a ping. */
const probeTimeout = 3000
/** The least pause between two pings of an engine that was given up, in milliseconds. */
const probePause = 5000

/** The error of an exchange with a silent engine. */
export class EngineSilent extends Error {
  /** `ENGINE_SILENT`: the engine may have acted. `ENGINE_KNOWN_SILENT`: no request was sent, because the engine was given up before. */
  readonly code: "ENGINE_SILENT" | "ENGINE_KNOWN_SILENT"
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
  /** Completes when the engine has responded to the ping or refused it. */
  readonly ping: Effect.Effect<void>
}

/** Makes the heartbeat of one engine. It counts ticks only while an exchange is open. */
export const makeHeartbeat = Effect.fnUntraced(function* ({
  ping,
  received
}: HeartbeatOptions): Effect.fn.Return<Heartbeat, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const probeLock = yield* Semaphore.make(1)
  const exchanges = new Set<(silence: EngineSilent) => void>()
  let isWatching = false
  let isSilent = false
  let probedAt = 0

  // A timeout, because an unanswered ping would keep its connection open.
  const pingOnce = Effect.timeoutOption(ping, (giveUpAfter - pingAfter) * tick)
  const watchSilence = Effect.gen(function* () {
    let before = received()
    for (let silentTicks = 0; exchanges.size > 0; ) {
      yield* Effect.sleep(tick)
      const now = received()
      silentTicks = now === before ? silentTicks + 1 : 0
      if (now !== before) isSilent = false
      before = now
      if (silentTicks === pingAfter || silentTicks === 2 * pingAfter) yield* Effect.forkIn(pingOnce, scope)
      if (silentTicks < giveUpAfter) continue
      isSilent = true
      probedAt = yield* Clock.currentTimeMillis
      for (const giveUp of [...exchanges]) giveUp(new EngineSilent("ENGINE_SILENT"))
      exchanges.clear()
    }
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        isWatching = false
      })
    )
  )

  const probe = Effect.gen(function* () {
    if (!isSilent) return
    const refusal = new EngineSilent("ENGINE_KNOWN_SILENT")
    if ((yield* Clock.currentTimeMillis) - probedAt < probePause) return yield* Effect.fail(refusal)
    const hasAnswered = yield* Effect.as(ping, true).pipe(
      Effect.timeoutOrElse({ duration: probeTimeout, orElse: () => Effect.succeed(false) })
    )
    probedAt = yield* Clock.currentTimeMillis
    if (!hasAnswered) return yield* Effect.fail(refusal)
    isSilent = false
  })

  return {
    admit: Effect.suspend(() => (isSilent ? probeLock.withPermits(1)(probe) : Effect.void)),
    exchange: (giveUp) =>
      Effect.acquireRelease(
        Effect.suspend(() => {
          exchanges.add(giveUp)
          if (isWatching) return Effect.void
          isWatching = true
          return Effect.asVoid(Effect.forkIn(watchSilence, scope))
        }),
        () => Effect.sync(() => exchanges.delete(giveUp))
      )
  }
})
