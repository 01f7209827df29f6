/** Collects the output of a run in memory. */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { runToEnd } from "./executor/ExecEvent.ts"
import { OutcomeUnknown } from "./executor/ExecutorErrors.ts"
import { collectLimit, OutputTooLarge, type RunError, type RunEvent } from "./Run.ts"
import type { Route } from "./request/Via.ts"
import type { ResolvedTask } from "./target/ResolvedTask.ts"

/**
 * The exit code of a run, and its output.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecResult {
  /** The command's own exit code, 0 to 255; `undefined` for a detached command. */
  readonly exitCode: number | undefined
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  readonly task: ResolvedTask
  readonly route: Route
}

/** Runs the events to their end, and returns the exit code with all output. */
export const collect = Effect.fn("TaskExec.run")(function* (events: Stream.Stream<RunEvent, RunError>) {
  const stdout: Array<Uint8Array> = []
  const stderr: Array<Uint8Array> = []
  let bytes = 0
  let resolved: (RunEvent & { readonly _tag: "Resolved" }) | undefined
  const keep = (list: Array<Uint8Array>, data: Uint8Array) => {
    bytes += data.length
    list.push(data)
    return bytes > collectLimit ? new OutputTooLarge({ limit: collectLimit }) : Effect.void
  }
  const exitCode = yield* runToEnd(events, (event): Effect.Effect<void, OutputTooLarge> => {
    switch (event._tag) {
      case "Resolved":
        resolved = event
        return Effect.void
      case "Stdout":
        return keep(stdout, event.data)
      case "Stderr":
        return keep(stderr, event.data)
      case "Started":
      case "Exited":
      case "Detached":
        return Effect.void
    }
  })
  if (resolved === undefined) return yield* new OutcomeUnknown({ detail: "the run ended without an event" })
  const { route, task } = resolved
  return { exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), task, route } satisfies ExecResult
})
