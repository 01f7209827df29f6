import type { Readable } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * A Node readable as a Stream with back pressure: without a pull, at most the readable's own buffer (its high-water mark) is
 * read ahead, and the sender waits. Data that arrived before an error is emitted before the error.
 *
 * The listeners are added at once, not at the first pull: no data is lost, and no error ends the process for lack of a
 * listener. The readable is destroyed with the Scope, unless it is `borrowed`. A Stream that is not read to its end does not
 * destroy it.
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
  /** How it ended: `error` is undefined for a proper end. Data may still be there to read. */
  end: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined
  /** Has something happened since the last read? A fiber may be held up between its read and its wait. */
  #news = false
  readonly #unhear: () => void

  constructor(readable: Readable) {
    this.readable = readable
    const wake = () => {
      this.#news = true
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
    this.#unhear = () => readable.off("readable", wake).off("end", onEnd).off("close", onClose)
    // All of this may have happened before we came.
    if (readable.errored) onError(readable.errored)
    else if (readable.readableEnded) onEnd()
    else if (readable.closed) onClose()
  }

  read(): Uint8Array | null {
    this.#news = false
    const chunk: unknown = this.readable.read()
    return chunk instanceof Uint8Array ? chunk : null
  }

  /** The next time that reading may give something new. */
  readonly changed: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#news) return resume(Effect.void)
    this.#wake = () => {
      this.#wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.#wake = undefined
    })
  })

  close(borrowed: boolean): void {
    this.#unhear()
    if (borrowed) this.readable.pause()
    else this.readable.destroy()
  }
}
