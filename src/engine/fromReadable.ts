import type { Readable } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * Converts a Node readable to a stream with backpressure. Reads ahead at most the readable's own buffer (its high-water mark). Data that
 * arrived before an error is emitted before the error.
 *
 * Adds its listeners at once, not at the first pull: otherwise data could be lost, and an error event without a listener would end the
 * process. The readable is destroyed when the scope closes, unless it is `borrowed`, and not when the stream ends early.
 */
export const fromReadable = <E>(
  readable: Readable,
  onError: (cause: unknown) => E,
  options: { readonly borrowed?: boolean } = {}
): Effect.Effect<Stream.Stream<Uint8Array, E>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Source(readable)),
      (source) => Effect.sync(() => source.close(options.borrowed ?? false))
    ),
    (source) => Stream.fromPull(Effect.succeed(pull(source, onError)))
  )

const pull = <E>(
  source: Source,
  onError: (cause: unknown) => E
): Pull.Pull<readonly [Uint8Array, ...Array<Uint8Array>], E> =>
  Effect.suspend(() => {
    const chunk = source.read()
    if (chunk !== null) return Effect.succeed([chunk])
    const end = source.end
    if (end !== undefined) return end.error === undefined ? Cause.done() : Effect.fail(onError(end.error))
    return Effect.flatMap(source.changed, () => pull(source, onError))
  })

class Source {
  readonly readable: Readable
  /** The end of the readable, with its error if it failed. Data may still be in its buffer. */
  end: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined
  /** Whether an event arrived since the last read: the fiber may be delayed between its read and its wait. */
  #hasNews = false
  readonly #removeListeners: () => void

  constructor(readable: Readable) {
    this.readable = readable
    const wake = () => {
      this.#hasNews = true
      this.#wake?.()
    }
    const ended = (error: unknown) => {
      this.end ??= { error }
      wake()
    }
    const onEnd = () => ended(undefined)
    const onError = (error: unknown) => ended(error)
    const onClose = () => ended(new Error("the connection was closed before the response was complete"))
    readable.on("readable", wake).on("end", onEnd).on("error", onError).on("close", onClose)
    // The error listener stays: a later error must not end the process.
    this.#removeListeners = () => readable.off("readable", wake).off("end", onEnd).off("close", onClose)
    // The readable may have ended before the listeners were added.
    if (readable.errored) onError(readable.errored)
    else if (readable.readableEnded) onEnd()
    else if (readable.closed) onClose()
  }

  read(): Uint8Array | null {
    this.#hasNews = false
    const chunk: unknown = this.readable.read()
    return chunk instanceof Uint8Array ? chunk : null
  }

  /** Completes when another read may return data. */
  readonly changed: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#hasNews) return resume(Effect.void)
    this.#wake = () => {
      this.#wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.#wake = undefined
    })
  })

  close(borrowed: boolean): void {
    this.#removeListeners()
    if (borrowed) this.readable.pause()
    else this.readable.destroy()
  }
}
