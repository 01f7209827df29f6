/**
 * Notices that an engine has fallen silent: the connection stays open and nothing comes back (a dropped VPN, a dead NAT entry).
 *
 * While an exchange with the engine is open and no byte arrives on any connection to it, the engine is pinged on another connection
 * after 5 seconds, and again after 10. After 15 seconds of silence every open exchange fails. An engine that works is never pinged as
 * long as it says something, and at most every 5 seconds otherwise: `/_ping` takes no lock and every engine answers it.
 *
 * Seconds are counted by looking, not by the clock: a process that was suspended, or that had no time, has not been silent to.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** Milliseconds between two looks. */
const tick = 1000
/** Looks without a byte after which the engine is pinged for the first time. The second ping follows after twice as many. */
const pingAfter = 5
/** Looks without a byte after which the engine is given up. */
const giveUpAfter = 15
/** How long an engine that was given up may take to answer a ping, in milliseconds. */
const probePatience = 3000
/** How long after such a ping it is not pinged again, in milliseconds. */
const probePause = 5000

/** Why an exchange ended: nothing was heard of the engine. */
export class EngineSilent extends Error {
  /** `ENGINE_SILENT`: the engine may have acted. `ENGINE_NOT_ASKED`: nothing was sent, as the engine had been given up before. */
  readonly code: "ENGINE_SILENT" | "ENGINE_NOT_ASKED"
  constructor(code: EngineSilent["code"]) {
    super(`no response for ${(giveUpAfter * tick) / 1000} s`)
    this.code = code
  }
}

/** Watches over the exchanges with one engine. */
export interface Heartbeat {
  /** Fails, before anything is sent, while the engine is given up. It is pinged now and then to find out whether it is back. */
  readonly admit: Effect.Effect<void, EngineSilent>
  /** An exchange that is open as long as the scope. `giveUp` is called once, if the engine falls silent meanwhile. */
  readonly exchange: (giveUp: (silence: EngineSilent) => void) => Effect.Effect<void, never, Scope.Scope>
}

/** What a heartbeat needs to know of its engine. */
export interface HeartbeatOptions {
  /** All bytes that came in so far, on whatever connection. */
  readonly received: () => number
  /** Done when the engine has answered, or has said by an error that it won't. */
  readonly ping: Effect.Effect<void>
}

/** Looks only while an exchange is open; the scope ends it. */
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

  // One that is not answered would keep its connection open.
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
      Effect.timeoutOrElse({ duration: probePatience, orElse: () => Effect.succeed(false) })
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
