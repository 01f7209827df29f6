/** What commands do in a test: their part in a run, played by a script. */
import { constants } from "node:os"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { ExecSpec, Signal } from "../executor/ExecSpec.ts"
import { ExecTimeout, OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import type { RunError } from "../Run.ts"
import type { CommandRequest } from "../request/ExecRequest.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { stageOf } from "./Stage.ts"

/**
 * A command that a script answers.
 *
 * @category testing
 * @since 0.1.0
 */
export interface Call {
  readonly task: ResolvedTask
  /** The request as the code under test made it. */
  readonly request: CommandRequest
  /** The command's input. Empty if the request has none. Run it once. */
  readonly stdin: Stream.Stream<Uint8Array>
}

/**
 * The output and the exit code of a command that reads all of its input first (that of a terminal is not read).
 *
 * @category testing
 * @since 0.1.0
 */
export interface Reply {
  readonly stdout?: string | Uint8Array
  readonly stderr?: string | Uint8Array
  /** Default 0. */
  readonly exitCode?: number
}

/**
 * One step of a command. `Exited` is the last one: without it, the run fails with `OutcomeUnknown`.
 *
 * @category testing
 * @since 0.1.0
 */
export type ScriptEvent = ExecEvent & { readonly _tag: "Stdout" | "Stderr" | "Exited" }

/**
 * What happens to a run:
 * - a {@link Reply}: the command's output and its exit code;
 * - an error of the run, which comes where it does in a real run: `TaskNotFound` before `Resolved`, `CommandNotFound` before `Started`,
 * `OutcomeUnknown` after it;
 * - a stream: the steps of the command after `Started`. It is interrupted when the command is killed.
 *
 * @category testing
 * @since 0.1.0
 */
export type Answer = Reply | RunError | Stream.Stream<ScriptEvent, RunError>

/**
 * The answers to commands: a function, or a record whose keys are the words of the command with spaces between: `"nginx -s reload"`.
 *
 * @category testing
 * @since 0.1.0
 */
export type Script = ((call: Call) => Answer) | Readonly<Record<string, Answer>>

/**
 * Returns a {@link Reply} as steps, for the stream of a script.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { layerTest, reply } from "task-exec/testing"
 *
 * const slow = layerTest({
 *   tasks: ["web.1"],
 *   script: () => Stream.concat(Stream.drain(Stream.fromEffect(Effect.sleep("1 second"))), reply({ stdout: "done\n" }))
 * })
 * ```
 *
 * @category testing
 * @since 0.1.0
 */
export const reply = ({ exitCode = 0, stderr = "", stdout = "" }: Reply): Stream.Stream<ScriptEvent> => {
  const output = (_tag: "Stdout" | "Stderr", data: string | Uint8Array): ReadonlyArray<ScriptEvent> =>
    data.length === 0 ? [] : [{ _tag, data: typeof data === "string" ? new TextEncoder().encode(data) : data }]
  return Stream.fromIterable([
    ...output("Stdout", stdout),
    ...output("Stderr", stderr),
    { _tag: "Exited", code: exitCode }
  ])
}

/** What the script says of a call. A command that it does not know is an error in the test: a defect. */
export const answerTo = (script: Script, call: Call): Effect.Effect<Answer> =>
  Effect.suspend(() => {
    if (typeof script === "function") return Effect.succeed(script(call))
    const words = call.request.command.join(" ")
    const answer = Object.hasOwn(script, words) ? script[words] : undefined
    return answer === undefined
      ? Effect.die(new Error(`the test's script has no answer to ${JSON.stringify(words)} in ${call.task.name}`))
      : Effect.succeed(answer)
  })

/** Whether the run fails with this answer. */
export const isError = (answer: Answer): answer is RunError => answer instanceof Error

/** A command under way. */
export interface Playing {
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** Ends it as a signal ends a program that does not heed it. */
  readonly end: (signal: Signal) => Effect.Effect<void>
}

/** Plays an answer as the command of `spec`, with the bounds of a real one. */
export const play = (
  answer: Answer,
  { detach, timeout, tty }: ExecSpec,
  stdin: Stream.Stream<Uint8Array>
): Effect.Effect<Playing, never, Scope.Scope> =>
  Effect.map(Deferred.make<Signal>(), (ended) => {
    const end = (signal: Signal) => Effect.asVoid(Deferred.succeed(ended, signal))
    const execId = "exec"
    const started: ExecEvent = { _tag: "Started", execId }
    if (isError(answer)) {
      const failure = Stream.fail(answer)
      return { end, events: stageOf(answer) === "running" ? Stream.concat(Stream.make(started), failure) : failure }
    }
    if (detach) return { end, events: Stream.make<[ExecEvent]>({ _tag: "Detached", execId }) }
    const read = tty === undefined ? Stream.runDrain(stdin) : Effect.void
    const body = Stream.isStream(answer) ? answer : Stream.unwrap(Effect.as(read, reply(answer)))
    const bounded = timeout === undefined ? body : Stream.interruptWhen(body, timeUp(timeout))
    let exited = false
    const steps = bounded.pipe(
      Stream.interruptWhen(Deferred.await(ended)),
      Stream.takeUntil(({ _tag }) => _tag === "Exited"),
      Stream.tap(({ _tag }) =>
        Effect.sync(() => {
          exited = _tag === "Exited"
        })
      )
    )
    const rest = Effect.gen(function* () {
      if (exited) return Stream.empty
      if (!Deferred.isDoneUnsafe(ended))
        return Stream.fail(new OutcomeUnknown({ detail: "the script ended without Exited" }))
      const code = 128 + constants.signals[yield* Deferred.await(ended)]
      return Stream.make<[ExecEvent]>({ _tag: "Exited", code })
    })
    return { end, events: Stream.make(started).pipe(Stream.concat(steps), Stream.concat(Stream.unwrap(rest))) }
  })

const timeUp = (timeout: number): Effect.Effect<never, ExecTimeout> =>
  Effect.andThen(Effect.sleep(timeout), Effect.fail(new ExecTimeout({ after: timeout, ending: { _tag: "Killed" } })))
