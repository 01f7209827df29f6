/** A command under way that its caller talks to: input, output, terminal, signals and end, each by itself. */

import { Duplex } from "node:stream"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { type ExecEvent, runToEnd } from "./executor/ExecEvent.ts"
import type { Signal, TerminalSize } from "./executor/ExecSpec.ts"
import type { RunError, RunEvent } from "./Run.ts"
import type { ExecRequest } from "./request/ExecRequest.ts"

/** A command under way. It is ended, and everything that was made for it is removed, when its scope closes. */
export interface Session {
  /**
   * The command's stdin: what is written waits until the command reads. Its end is the end of the command's stdin. To be run
   * once; without it the command waits for input until the session is over.
   */
  readonly stdin: Sink.Sink<void, Uint8Array>
  /**
   * What the command does, `Started` first, `Exited` or `Detached` last; to be run once. What nobody takes holds the command
   * up after some megabytes.
   */
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** The terminal has this size now. Without a terminal nothing happens. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void>
  /** Sends the command and everything that it started a signal, and KILL after the request's grace period. */
  readonly signal: (signal: Signal) => Effect.Effect<void>
  /**
   * The exit code, `undefined` for a command that was let go of; known when `events` have been taken to their end. Fails as
   * `events` do.
   */
  readonly outcome: Effect.Effect<number | undefined, RunError>
}

/** What a session asks for: the input, the sizes and the signals come later. */
export type SessionRequest = Omit<ExecRequest, "detach" | "signals" | "stdin" | "tty"> & {
  /** Give the command a terminal of this size. */
  readonly tty?: { readonly size: TerminalSize; readonly detachKeys?: string }
}

/** Chunks of input that may wait. */
const inputRoom = 16

/** Opens a session by running a request's events; done when the task is found. */
export const openSession = Effect.fn("TaskExec.openSession")(function* (
  { tty, ...request }: SessionRequest,
  run: (request: ExecRequest) => Stream.Stream<RunEvent, RunError>
): Effect.fn.Return<Session, never, Scope.Scope> {
  const input = yield* Queue.bounded<Uint8Array, Cause.Done>(inputRoom)
  const sizes = yield* Queue.sliding<TerminalSize>(1)
  const signals = yield* Queue.unbounded<Signal>()
  const outcome = yield* Deferred.make<number | undefined, RunError>()
  // Held by one place: what is not taken is not asked for.
  const output = yield* Queue.bounded<ExecEvent, RunError | Cause.Done>(1)
  const events = run({
    ...request,
    stdin: Stream.fromQueue(input),
    signals: Stream.fromQueue(signals),
    ...(tty === undefined ? {} : { tty: { ...tty, sizes: Stream.fromQueue(sizes) } })
  })
  const pass = (event: RunEvent) => (event._tag === "Resolved" ? Effect.void : Queue.offer(output, event))
  yield* runToEnd(events, pass).pipe(
    Effect.onExit((exit) =>
      Effect.andThen(
        Deferred.done(outcome, exit),
        exit._tag === "Success" ? Queue.end(output) : Queue.failCause(output, exit.cause)
      )
    ),
    Effect.ignoreCause,
    Effect.forkScoped
  )
  return {
    stdin: Sink.forEachArray((chunks: ReadonlyArray<Uint8Array>) => Queue.offerAll(input, chunks)).pipe(
      Sink.mapEffect(() => Effect.asVoid(Queue.end(input)))
    ),
    events: Stream.fromQueue(output),
    resize: (size) => Effect.asVoid(Queue.offer(sizes, size)),
    signal: (signal) => Effect.asVoid(Queue.offer(signals, signal)),
    outcome: Deferred.await(outcome)
  }
})

/**
 * A session as one Node stream, for those who need one: what is written to it is the command's stdin, and what is read from
 * it is the command's stdout (its stderr is passed to `onStderr`). It ends when the command does, and is destroyed with the
 * error where its end is not known; an exit code other than 0 is no error. It lives as long as the session's scope.
 */
export const toDuplex = Effect.fnUntraced(function* (
  session: Session,
  options: { readonly onStderr?: (data: Uint8Array) => void } = {}
): Effect.fn.Return<Duplex, never, Scope.Scope> {
  const input = yield* Queue.bounded<Uint8Array, Cause.Done>(1)
  const context = yield* Effect.context<never>()
  let wake: (() => void) | undefined
  const finish = (effect: Effect.Effect<unknown>, callback: () => void) => {
    Effect.runCallbackWith(context)(effect, { onExit: callback })
  }
  const duplex = new Duplex({
    read: () => wake?.(),
    write: (chunk: Uint8Array, _encoding, callback) => finish(Queue.offer(input, chunk), () => callback()),
    final: (callback) => finish(Queue.end(input), () => callback())
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => duplex.destroy()))
  yield* Effect.forkScoped(Stream.run(Stream.fromQueue(input), session.stdin))
  const room = Effect.callback<void>((resume) => {
    wake = () => {
      wake = undefined
      resume(Effect.void)
    }
  })
  yield* Stream.runForEach(session.events, (event) => {
    if (event._tag === "Stderr") return Effect.sync(() => options.onStderr?.(event.data))
    if (event._tag !== "Stdout") return Effect.void
    return duplex.push(event.data) ? Effect.void : room
  }).pipe(
    Effect.match({
      onSuccess: () => {
        duplex.push(null)
      },
      onFailure: (error) => {
        duplex.destroy(error)
      }
    }),
    Effect.forkScoped
  )
  return duplex
})
