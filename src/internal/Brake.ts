/**
 * Keeps the memory of a run bounded: counts the bytes that wait for the consumer and holds the producer back above a
 * limit. Unlike a bounded queue it never has bytes in flight: what was put in is in, also when the waiting is
 * interrupted.
 */
import type * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** Small, so that what waits is still young when it is taken: V8 is slow to give back the bytes of what has grown old. */
const high = 1024 * 1024
const low = high / 2

/** One for each run. */
export class Brake {
  /** Bytes that came in altogether. */
  total = 0
  private waiting = 0
  private released = false
  private readonly latch = Latch.makeUnsafe(true)

  /** Waits while the brake is on. */
  readonly wait: Effect.Effect<void> = this.latch.await

  /** Whether the reader is held back now. */
  get isOn(): boolean {
    return !Latch.isOpen(this.latch)
  }

  /** `bytes` came in and wait for the consumer. */
  held(bytes: number): void {
    this.total += bytes
    this.waiting += bytes
    if (!this.released && this.waiting > high) Latch.closeUnsafe(this.latch)
  }

  /** The consumer took `bytes`. */
  taken(bytes: number): void {
    this.waiting -= bytes
    if (this.waiting < low) Latch.openUnsafe(this.latch)
  }

  /** Holds nothing back from now on: at a command's end the engine does not wait for readers. */
  release(): void {
    this.released = true
    Latch.openUnsafe(this.latch)
  }
}
