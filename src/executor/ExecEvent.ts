/** The events and the input of a running command. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { TerminalSize } from "./ExecSpec.ts"
import { OutcomeUnknown } from "./ExecutorErrors.ts"

/**
 * An event of a command. Events arrive in the order in which they happen. The last one is `Exited` or `Detached`.
 *
 * @category models
 * @since 0.1.0
 */
export type ExecEvent =
  /** The engine accepted the exec. `execId` is its ID on the task's node. */
  | { readonly _tag: "Started"; readonly execId: string }
  /** Bytes of the command's standard output, as the command wrote them. */
  | { readonly _tag: "Stdout"; readonly data: Uint8Array }
  /** Bytes of the command's standard error, as the command wrote them. */
  | { readonly _tag: "Stderr"; readonly data: Uint8Array }
  /** The engine reported that the command ended, after all of its output. 137 means killed by signal 9. */
  | { readonly _tag: "Exited"; readonly code: number }
  /** The command was started, and the run does not wait for its end. */
  | { readonly _tag: "Detached"; readonly execId: string }

/** The input of a running command. Unused for a command without stdin or a terminal. */
export interface ExecInput {
  /** The command's stdin, with backpressure. Its end is the end of stdin, except at a terminal. */
  readonly stdin: Stream.Stream<Uint8Array>
  /** New sizes of the terminal. */
  readonly sizes: Stream.Stream<TerminalSize>
}

/** No input. */
export const noInput: ExecInput = { stdin: Stream.empty, sizes: Stream.empty }

/**
 * Runs the events to their end, and calls `each` with every event. Returns the exit code; `undefined` for a detached command. Fails with
 * `OutcomeUnknown` if the last event is neither `Exited` nor `Detached`.
 */
export const runToEnd = Effect.fnUntraced(function* <
  Event extends ExecEvent | { readonly _tag: "Resolved" },
  E,
  R,
  E2,
  R2
>(
  events: Stream.Stream<Event, E, R>,
  each: (event: Event) => Effect.Effect<void, E2, R2>
): Effect.fn.Return<number | undefined, E | E2 | OutcomeUnknown, R | R2> {
  let end: (ExecEvent & { readonly _tag: "Exited" | "Detached" }) | undefined
  yield* Stream.runForEach(events, (event) => {
    if (event._tag === "Exited" || event._tag === "Detached") end = event
    return each(event)
  })
  if (end === undefined) return yield* new OutcomeUnknown({ detail: "the command's end was not reported" })
  return end._tag === "Exited" ? end.code : undefined
})
