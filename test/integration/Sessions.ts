/** The library on the swarm's first manager, and conversations with commands through it. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { HelperImage, type Session, Swarm, TaskExec } from "../../src/index.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"

/** As a program of its own would put it together. */
export const Library = Layer.unwrap(
  Effect.map(SwarmCluster, ({ manager }) =>
    TaskExec.layerNoDeps.pipe(
      Layer.provide(HelperImage.layer),
      Layer.provide(Swarm.layerFor({ _tag: "Unix", path: manager.socket }))
    )
  )
)

/**
 * Takes the events in the background; gives what waits for a text in the output, and all of the output at the end. Who waits
 * for a text that can't come any more is told so.
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
      // The text may have come with the end.
      text.includes(wanted)
        ? Effect.void
        : Effect.die(`no ${JSON.stringify(wanted)} in ${JSON.stringify(text)}: ${how}`)
    )
    yield* Effect.raceFirst(Deferred.await(latch), cut)
  })
  return { until, all: Deferred.await(ended) }
})

/** The same, and lines for the command's input. */
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
