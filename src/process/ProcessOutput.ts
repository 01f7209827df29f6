/** Buffers the output of a command until it is read. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/** An output stream. */
export type Channel = "stdout" | "stderr"

/** The most bytes that are buffered. Above this limit, the command blocks when it writes. */
const limit = 1024 * 1024

interface Piece {
  readonly channel: Channel
  readonly data: Uint8Array
}

/**
 * Buffers the output of both channels in the order of its arrival, so that a reader of both channels receives it in this order. Each piece
 * goes to one reader only.
 */
export class ProcessOutput<E> {
  private pieces: Array<Piece> = []
  private bytes = 0
  private end: Exit.Exit<unknown, E> | undefined
  private readers = 0
  private isKilled = false
  private readonly room = Latch.makeUnsafe(true)
  private readonly waiting = new Set<() => void>()

  /** Adds a piece, and waits until the buffer has room for more. */
  readonly add = (channel: Channel, data: Uint8Array): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (this.isKilled && this.readers === 0 && this.bytes >= limit) return Effect.void
      this.pieces.push({ channel, data })
      this.bytes += data.length
      if (this.bytes >= limit) Latch.closeUnsafe(this.room)
      this.wake()
      return this.isKilled && this.readers === 0 ? Effect.void : this.room.await
    })

  /** Ends the output. Readers first receive what is buffered. */
  readonly close = (end: Exit.Exit<unknown, E>): void => {
    this.end ??= end
    this.wake()
  }

  /**
   * Reports that the command was sent a signal. From then on, output without a reader is dropped above the limit, so that it does not delay
   * the command's end.
   */
  readonly killed = (): void => {
    this.isKilled = true
    if (this.readers === 0) Latch.openUnsafe(this.room)
  }

  /** Returns the output of these channels. */
  readonly read = (...channels: ReadonlyArray<Channel>): Stream.Stream<Uint8Array, E> =>
    Stream.suspend(() => {
      this.readers++
      return Stream.fromPull(Effect.succeed(this.pull(channels))).pipe(Stream.ensuring(Effect.sync(() => this.leave())))
    })

  private pull(channels: ReadonlyArray<Channel>): Pull.Pull<readonly [Uint8Array, ...Array<Uint8Array>], E> {
    return Effect.suspend(() => {
      const [first, ...more] = this.take(channels)
      if (first !== undefined) return Effect.succeed([first, ...more] as const)
      if (this.end !== undefined) return this.end._tag === "Success" ? Cause.done() : Effect.failCause(this.end.cause)
      return Effect.flatMap(this.changed(channels), () => this.pull(channels))
    })
  }

  private take(channels: ReadonlyArray<Channel>): ReadonlyArray<Uint8Array> {
    const taken = this.pieces.filter(({ channel }) => channels.includes(channel)).map(({ data }) => data)
    if (taken.length === 0) return taken
    this.pieces = this.pieces.filter(({ channel }) => !channels.includes(channel))
    this.bytes = this.pieces.reduce((sum, { data }) => sum + data.length, 0)
    if (this.bytes < limit) Latch.openUnsafe(this.room)
    return taken
  }

  /** Completes when there may be output to take. Checks again before waiting, because output may have arrived since the caller's check. */
  private changed(channels: ReadonlyArray<Channel>): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const done = () => resume(Effect.void)
      if (this.end !== undefined || this.pieces.some(({ channel }) => channels.includes(channel))) return done()
      this.waiting.add(done)
      return Effect.sync(() => this.waiting.delete(done))
    })
  }

  private wake(): void {
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const done of waiting) done()
  }

  private leave(): void {
    this.readers--
    if (this.isKilled && this.readers === 0) Latch.openUnsafe(this.room)
  }
}
