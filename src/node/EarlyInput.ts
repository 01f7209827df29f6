/**
 * Reads the start of a command's input before its helper is made: input that has ended by then can travel in the helper's
 * request, and only input that goes on needs a tunnel, which takes about as long as the helper itself.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Brake } from "../internal/Brake.ts"

/**
 * How long the input may take to end: 50 ms, in steps. Between two steps the event loop reads, so that input that is there is seen
 * on a machine that was busy all the while.
 */
const step = "5 millis"
const steps = 10

/**
 * Bytes of input that travel in a request. A Swarm secret holds 500 KB (API reference, `SecretSpec.Data`), of which base64
 * takes a third, and command and environment need the rest.
 */
export const earlyInputLimit = 256 * 1024

/** The start of an input. */
export interface EarlyInput {
  /** All of the input from its first byte; to be run once. Bytes read early wait for it, a megabyte at most. */
  readonly stdin: Stream.Stream<Uint8Array>
  /** The input has ended, and is at most {@link earlyInputLimit} bytes long. */
  readonly isWhole: boolean
}

/** Reads the input until it ends or for 50 ms, then keeps reading as fast as `stdin` is consumed. */
export const readEarly = Effect.fnUntraced(function* (
  stdin: Stream.Stream<Uint8Array>
): Effect.fn.Return<EarlyInput, never, Scope.Scope> {
  const queue = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const brake = new Brake()
  const reading = yield* Stream.runForEach(stdin, (chunk) => {
    brake.held(chunk.length)
    return Effect.andThen(Queue.offer(queue, chunk), brake.wait)
  }).pipe(Effect.ensuring(Queue.end(queue)), Effect.forkScoped)
  const patience = Effect.repeat(Effect.sleep(step), { times: steps - 1 })
  const hasEnded = yield* Effect.raceFirst(Effect.as(Fiber.await(reading), true), Effect.as(patience, false))
  return {
    stdin: Stream.tap(Stream.fromQueue(queue), (chunk) => Effect.sync(() => brake.taken(chunk.length))),
    isWhole: hasEnded && brake.total <= earlyInputLimit
  }
})
