/** Scripts: the simulated output, exit codes and errors of commands in a test. */
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
 * A command for which a script has an answer.
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
 * The output and the exit code of a command. The simulated command first reads all of its input, unless it has a terminal.
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
 * An event of a simulated command. `Exited` must be the last one. Without it, the run fails with `OutcomeUnknown`.
 *
 * @category testing
 * @since 0.1.0
 */
export type ScriptEvent = ExecEvent & { readonly _tag: "Stdout" | "Stderr" | "Exited" }

/**
 * The answer of a script to a command:
 * - a {@link Reply}: the output and the exit code of the command;
 * - an error: the run fails with it, at the same point as a real run: with `TaskNotFound` before `Resolved`, with `CommandNotFound` before
 *   `Started`, with `OutcomeUnknown` after `Started`;
 * - a stream: the events of the command after `Started`. It is interrupted when the command is killed.
 *
 * @category testing
 * @since 0.1.0
 */
export type Answer = Reply | RunError | Stream.Stream<ScriptEvent, RunError>

/**
 * The answers to commands: a function, or a record whose keys are command lines with single spaces: `"nginx -s reload"`.
 *
 * @category testing
 * @since 0.1.0
 */
export type Script = ((call: Call) => Answer) | Readonly<Record<string, Answer>>

/**
 * Converts a {@link Reply} to the events of an answer.
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

/** Returns the script's answer. Dies if the script has none, because that is a mistake in the test. */
export const answerTo = (script: Script, call: Call): Effect.Effect<Answer> =>
  Effect.suspend(() => {
    if (typeof script === "function") return Effect.succeed(script(call))
    const words = call.request.command.join(" ")
    const answer = Object.hasOwn(script, words) ? script[words] : undefined
    return answer === undefined
      ? Effect.die(new Error(`the test's script has no answer to ${JSON.stringify(words)} in ${call.task.name}`))
      : Effect.succeed(answer)
  })

/** Whether the answer is an error. */
export const isError = (answer: Answer): answer is RunError => answer instanceof Error

/** A simulated command. */
export interface SimulatedCommand {
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** Ends the command with the exit code 128 + signal, as a program without a signal handler. */
  readonly end: (signal: Signal) => Effect.Effect<void>
}

/** Simulates a command with this answer, with the timeout, input and terminal of its spec. */
export const simulate = (
  answer: Answer,
  { detach, timeout, tty }: ExecSpec,
  stdin: Stream.Stream<Uint8Array>
): Effect.Effect<SimulatedCommand, never, Scope.Scope> =>
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
    const untilEnd = bounded.pipe(
      Stream.interruptWhen(Deferred.await(ended)),
      Stream.takeUntil(({ _tag }) => _tag === "Exited"),
      Stream.tap(({ _tag }) =>
        Effect.sync(() => {
          exited = _tag === "Exited"
        })
      )
    )
    const afterwards = Effect.gen(function* () {
      if (exited) return Stream.empty
      if (!Deferred.isDoneUnsafe(ended))
        return Stream.fail(new OutcomeUnknown({ detail: "the script ended without Exited" }))
      const code = 128 + constants.signals[yield* Deferred.await(ended)]
      return Stream.make<[ExecEvent]>({ _tag: "Exited", code })
    })
    return { end, events: Stream.make(started).pipe(Stream.concat(untilEnd), Stream.concat(Stream.unwrap(afterwards))) }
  })

const timeUp = (timeout: number): Effect.Effect<never, ExecTimeout> =>
  Effect.andThen(
    Effect.sleep(timeout),
    Effect.fail(new ExecTimeout({ after: timeout, killResult: { _tag: "Killed" } }))
  )
