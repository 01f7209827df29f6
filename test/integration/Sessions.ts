/** The library on the swarm's first manager, and sessions with commands through it. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { HelperImage, type Session, Swarm, TaskExec } from "../../src/index.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"

/** The layer, composed as in a user's program. */
export const Library = Layer.unwrap(
  Effect.map(SwarmCluster, ({ manager }) =>
    TaskExec.layerNoDeps.pipe(
      Layer.provide(HelperImage.layer),
      Layer.provide(Swarm.layerFor({ _tag: "Unix", path: manager.socket }))
    )
  )
)

/**
 * Reads the events in the background. Returns a wait for a text in the output, and the whole output at the end. A wait fails when its text
 * can no longer arrive.
 */
export const follow = Effect.fnUntraced(function* (session: Session) {
  let text = ""
  const waiting = new Map<string, Deferred.Deferred<void>>()
  const ended = yield* Deferred.make<string>()
  const outcome = yield* Deferred.make<string>()
  yield* Stream.runForEach(session.events, (event) =>
    Effect.sync(() => {
      if (event._tag !== "Stdout") return
      text += Buffer.from(event.data).toString()
      for (const [wanted, latch] of waiting) if (text.includes(wanted)) Deferred.doneUnsafe(latch, Effect.void)
    })
  ).pipe(
    Effect.match({ onFailure: ({ message }) => message, onSuccess: () => "the session ended" }),
    Effect.flatMap((how) => Deferred.succeed(outcome, how)),
    Effect.andThen(Effect.suspend(() => Deferred.succeed(ended, text))),
    Effect.forkScoped
  )
  const until = Effect.fnUntraced(function* (wanted: string) {
    const latch = yield* Deferred.make<void>()
    waiting.set(wanted, latch)
    if (text.includes(wanted)) return
    const cut = Effect.flatMap(Deferred.await(outcome), (how) =>
      // The text may arrive with the end.
      text.includes(wanted)
        ? Effect.void
        : Effect.die(`no ${JSON.stringify(wanted)} in ${JSON.stringify(text)}: ${how}`)
    )
    yield* Effect.raceFirst(Deferred.await(latch), cut)
  })
  return { until, all: Deferred.await(ended) }
})

/** A session of {@link follow} that also sends lines to the command. */
export const converse = Effect.fnUntraced(function* (session: Session) {
  const output = yield* follow(session)
  const input = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  yield* Effect.forkScoped(Stream.run(Stream.fromQueue(input), session.stdin))
  return {
    ...output,
    say: (text: string) => Queue.offer(input, new TextEncoder().encode(text)),
    end: Queue.end(input)
  }
})
