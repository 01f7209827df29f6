/** Sessions: a running command with its input, output, terminal, signals and exit code as separate parts. */

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

/**
 * A running command. When its scope closes, task-exec kills the command and removes everything that it created.
 *
 * **When to use**: for a conversation with a command, and for terminals. For output alone, `TaskExec.stream` is simpler.
 *
 * **Gotchas**: run `events` even if you only want `outcome`: a command whose output nobody reads blocks.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  /**
   * The command's stdin, with backpressure. When the input ends, the command's stdin ends. Run it once. If it is not run, the command's
   * stdin stays open until the session ends.
   */
  readonly stdin: Sink.Sink<void, Uint8Array>
  /**
   * The events of the command: `Started` is the first one, `Exited` or `Detached` the last one. Run it once. If it is not run, the command
   * blocks after some megabytes of output.
   */
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** Changes the size of the terminal. Has no effect without a terminal. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void>
  /** Sends a signal to the command and all its child processes, and KILL after the request's grace period. */
  readonly signal: (signal: Signal) => Effect.Effect<void>
  /**
   * The exit code; `undefined` for a detached command. Completes when `events` have been read to their end. Fails as `events` do.
   */
  readonly outcome: Effect.Effect<number | undefined, RunError>
}

/**
 * The request of a session. The session itself takes input, terminal sizes and signals.
 *
 * @category requests
 * @since 0.1.0
 */
export type SessionRequest = Omit<ExecRequest, "detach" | "signals" | "stdin" | "tty"> & {
  /** Give the command a terminal of this size. */
  readonly tty?: { readonly size: TerminalSize; readonly detachKeys?: string }
}

/** The most chunks of input that are buffered. */
const inputRoom = 16

/** Opens a session, which runs the events of a request. */
export const openSession = Effect.fn("TaskExec.openSession")(function* (
  { tty, ...request }: SessionRequest,
  run: (request: ExecRequest) => Stream.Stream<RunEvent, RunError>
): Effect.fn.Return<Session, never, Scope.Scope> {
  const input = yield* Queue.bounded<Uint8Array, Cause.Done>(inputRoom)
  const sizes = yield* Queue.sliding<TerminalSize>(1)
  const signals = yield* Queue.unbounded<Signal>()
  const outcome = yield* Deferred.make<number | undefined, RunError>()
  // This keeps the backpressure: the next event is pulled only after the previous one was taken.
  const output = yield* Queue.bounded<ExecEvent, RunError | Cause.Done>(1)
  const events = run({
    ...request,
    stdin: Stream.fromQueue(input),
    signals: Stream.fromQueue(signals),
    ...(tty === undefined ? {} : { tty: { ...tty, sizes: Stream.fromQueue(sizes) } })
  })
  const pass = (event: RunEvent) => (event._tag === "Resolved" ? Effect.void : Queue.offer(output, event))
  yield* runToEnd(events, pass).pipe(
    Effect.onExit((exit) => Deferred.done(outcome, exit)),
    Queue.into(output),
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
 * Converts a session to a Node stream. Writes go to the command's stdin, and reads come from its stdout.
 *
 * **When to use**: for libraries that speak a protocol over a Node stream, such as a database client or an SSH library.
 *
 * **Details**: `onStderr` receives the command's stderr. The stream ends when the command ends, and is destroyed with the error if the
 * outcome is unknown. An exit code other than 0 is not an error. The stream lasts as long as the session's scope.
 *
 * @category running
 * @since 0.1.0
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
    // Combines small writes that wait for the command.
    writev: (chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, callback) =>
      finish(Queue.offer(input, Buffer.concat(chunks.map(({ chunk }) => chunk))), () => callback()),
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
