/**
 * Reads the start of a command's input before its helper is created. Input that has ended by then travels in the helper's request. Only
 * input that continues needs a tunnel, which takes about as long as the helper.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { BackpressureGate } from "../internal/BackpressureGate.ts"

/**
 * The time to wait for the end of the input: 50 ms, in steps. The event loop reads between two steps, so input that has arrived is read
 * even on a busy machine.
 */
const step = "5 millis"
const steps = 10

/**
 * The most input in a request, in bytes. A Swarm secret holds 500 KB (API reference, `SecretSpec.Data`). Base64 makes the input a third
 * larger, and the command and its environment need space, too.
 */
export const earlyInputLimit = 256 * 1024

/** The start of an input. */
export interface EarlyInput {
  /** All of the input, from its first byte. Run it once. Reads at most one megabyte ahead. */
  readonly stdin: Stream.Stream<Uint8Array>
  /** The input has ended, and is at most {@link earlyInputLimit} bytes long. */
  readonly isWhole: boolean
}

/** Reads the input until it ends, or for 50 ms. Then reads as fast as `stdin` is consumed. */
export const readEarly = Effect.fnUntraced(function* (
  stdin: Stream.Stream<Uint8Array>
): Effect.fn.Return<EarlyInput, never, Scope.Scope> {
  const queue = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const gate = new BackpressureGate()
  const reading = yield* Stream.runForEach(stdin, (chunk) => {
    gate.add(chunk.length)
    return Effect.andThen(Queue.offer(queue, chunk), gate.await)
  }).pipe(Effect.ensuring(Queue.end(queue)), Effect.forkScoped)
  const timeout = Effect.repeat(Effect.sleep(step), { times: steps - 1 })
  const hasEnded = yield* Effect.raceFirst(Effect.as(Fiber.await(reading), true), Effect.as(timeout, false))
  return {
    stdin: Stream.tap(Stream.fromQueue(queue), (chunk) => Effect.sync(() => gate.remove(chunk.length))),
    isWhole: hasEnded && gate.total <= earlyInputLimit
  }
})
