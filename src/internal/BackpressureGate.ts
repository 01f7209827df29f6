/**
 * A backpressure gate that limits the memory of a run: it counts the bytes that wait for the consumer, and blocks the producer above a
 * limit. Unlike with a bounded queue, the producer first adds its bytes and then waits, so an interruption of the wait loses no bytes.
 */
import type * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/**
 * The gate closes above this number of bytes. It is small, so that bytes are consumed while they are young: V8 is slow to free the memory
 * of old objects.
 */
const highWaterMark = 1024 * 1024
/** The gate opens again below this number of bytes. */
const lowWaterMark = highWaterMark / 2

/** The gate of one producer and one consumer. */
export class BackpressureGate {
  /** The number of bytes that were added so far. */
  total = 0
  private waiting = 0
  private isOpenForGood = false
  private readonly latch = Latch.makeUnsafe(true)

  /** Waits until the gate is open. */
  readonly await: Effect.Effect<void> = this.latch.await

  /** Whether the gate is closed. */
  get isClosed(): boolean {
    return !Latch.isOpen(this.latch)
  }

  /** Adds bytes that wait for the consumer. */
  add(bytes: number): void {
    this.total += bytes
    this.waiting += bytes
    if (!this.isOpenForGood && this.waiting > highWaterMark) Latch.closeUnsafe(this.latch)
  }

  /** Removes bytes that the consumer has taken. */
  remove(bytes: number): void {
    this.waiting -= bytes
    if (this.waiting < lowWaterMark) Latch.openUnsafe(this.latch)
  }

  /** Opens the gate, and keeps it open. Call it at a command's end, when the engine does not wait for readers either. */
  openForGood(): void {
    this.isOpenForGood = true
    Latch.openUnsafe(this.latch)
  }
}
