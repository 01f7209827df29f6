/** Requests for fan-outs, and their validation. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { checkCommand, checkNoOneOff, millis } from "../request/CheckedRequest.ts"
import type { CommandRequest } from "../request/ExecRequest.ts"
import { InvalidRequest } from "../request/InvalidRequest.ts"
import type { Amount } from "./Amount.ts"
import type { Selection } from "./Selection.ts"

/**
 * The request of a fan-out: one command in many tasks.
 *
 * **Gotchas**: all of `stdin` is read into memory before the first command starts, because each command receives all of it. More than 16
 * MiB fail with `InvalidRequest`.
 *
 * @example
 * ```ts
 * import type { FleetRequest } from "task-exec"
 *
 * const request: FleetRequest = {
 *   selection: { services: ["web"] },
 *   command: ["nginx", "-s", "reload"],
 *   pacing: { parallel: { _tag: "Count", count: 1 }, delay: "5 seconds" }
 * }
 * ```
 *
 * @category requests
 * @since 0.1.0
 */
export interface FleetRequest extends Omit<CommandRequest, "tty"> {
  readonly selection: Selection
  readonly pacing?: FleetPacing
  /**
   * If a task is replaced before its command starts, run the command in the replacement. When the container of a followed log ends,
   * continue with the log of the next task in the same slot or on the same node. Default `false`.
   */
  readonly followUpdates?: boolean
}

/**
 * The pace of a fan-out: how many commands run at the same time, and when no more commands start.
 *
 * @category requests
 * @since 0.1.0
 */
export interface FleetPacing {
  /** The most commands at the same time; default 32. */
  readonly parallel?: Amount
  /** The least time between two starts; default none. */
  readonly delay?: Duration.Input
  /** Start no more commands when more than this many have failed; running commands continue. Default: start all. */
  readonly maxFailures?: Amount
  /** The deadline of the fan-out, counted from its start. Then running commands are killed, as at their timeout, and no more start. */
  readonly deadline?: Duration.Input
}

/** The most input for all tasks, in bytes. */
export const inputLimit = 16 * 1024 * 1024

/** Validates a request and fills in defaults. Reads all of the input. */
export const checkFleet = Effect.fnUntraced(function* ({
  pacing = {},
  selection: _,
  followUpdates: __,
  ...request
}: FleetRequest) {
  const delay = yield* millis("delay", pacing.delay ?? 0)
  const deadline = pacing.deadline === undefined ? undefined : yield* millis("deadline", pacing.deadline)
  const checked = yield* checkCommand(request)
  yield* checkNoOneOff(checked)
  const timeout = deadline === undefined ? checked.timeout : Math.min(checked.timeout ?? deadline, deadline)
  const stdin = checked.stdin ? Stream.make(yield* keepInput(checked.input.stdin)) : Stream.empty
  return {
    checked: { ...checked, timeout, input: { ...checked.input, stdin } },
    delay: Duration.millis(delay),
    deadline
  }
})

/** Reads all of the input into memory, because each task starts to read it at another time. */
const keepInput = Effect.fnUntraced(function* (stdin: Stream.Stream<Uint8Array>) {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  yield* Stream.runForEach(stdin, (chunk) => {
    bytes += chunk.length
    chunks.push(chunk)
    return bytes > inputLimit
      ? new InvalidRequest({ detail: `the input of a fan-out must not exceed ${inputLimit} bytes` })
      : Effect.void
  })
  return Buffer.concat(chunks)
})
