/**
 * A backpressure gate that limits the memory of a run: it counts the bytes that wait for the consumer, and blocks the producer above a
 * limit. Unlike with a bounded queue, the producer first adds its bytes and then waits, so an interruption of the wait loses no bytes.
 */
import type * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/**
 * The limit in bytes. It is small, so that bytes are consumed while they are young: V8 is slow to free the memory of old objects. Below
 * `low`, the producer continues.
 */
const high = 1024 * 1024
const low = high / 2

/** The gate of one producer and one consumer. */
export class Brake {
  /** The number of bytes that were added so far. */
  total = 0
  private waiting = 0
  private released = false
  private readonly latch = Latch.makeUnsafe(true)

  /** Waits while the gate is closed. */
  readonly wait: Effect.Effect<void> = this.latch.await

  /** Whether the gate is closed. */
  get isOn(): boolean {
    return !Latch.isOpen(this.latch)
  }

  /** Adds bytes that wait for the consumer. */
  held(bytes: number): void {
    this.total += bytes
    this.waiting += bytes
    if (!this.released && this.waiting > high) Latch.closeUnsafe(this.latch)
  }

  /** Removes bytes that the consumer has taken. */
  taken(bytes: number): void {
    this.waiting -= bytes
    if (this.waiting < low) Latch.openUnsafe(this.latch)
  }

  /** Opens the gate for good. Call it at a command's end, when the engine does not wait for readers either. */
  release(): void {
    this.released = true
    Latch.openUnsafe(this.latch)
  }
}
