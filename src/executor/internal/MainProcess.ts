/** The events of a command that is the main process of a container. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AttachedContainer } from "../../engine/AttachedContainer.ts"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import { BackpressureGate } from "../../internal/BackpressureGate.ts"
import type { ExecEvent } from "../ExecEvent.ts"
import type { ExecSpec } from "../ExecSpec.ts"
import { ContainerStopped, type ExecutorError, OutcomeUnknown } from "../ExecutorErrors.ts"
import { drain, move, ofCommand } from "./Output.ts"
import { isGone, stillRuns } from "./stillRuns.ts"

/**
 * Sends the input to a container's main process, and returns its output and its exit code. Fails with `ContainerStopped` if the process was
 * killed because the spec's container stopped.
 */
export const followMain = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  { endInput, id, output, write }: AttachedContainer,
  { container }: Pick<ExecSpec, "container">,
  stdin: Stream.Stream<Uint8Array>
): Effect.fn.Return<Stream.Stream<ExecEvent, ExecutorError>, never, Scope.Scope> {
  // The engine removes the container when it has ended, and with it the exit code.
  const exit = yield* Effect.forkScoped(
    engine.waitContainer(id).pipe(Effect.catchIf(isGone, () => Effect.succeed(undefined)))
  )
  yield* Stream.runForEach(stdin, write).pipe(
    Effect.andThen(endInput),
    // The process reads no more: its end is reported below.
    Effect.catch((error) => Effect.logDebug(`cannot send input: ${error.message}`)),
    Effect.forkScoped
  )
  const end = Effect.gen(function* () {
    const code = yield* Fiber.join(exit)
    if (code !== 0 && !(yield* stillRuns(engine, container))) return yield* new ContainerStopped({ container })
    if (code === undefined) return yield* new OutcomeUnknown({ detail: "the engine reported no exit code" })
    return { _tag: "Exited", code } as const
  })
  const queue = yield* Queue.unbounded<ExecEvent, ExecutorError | Cause.Done>()
  const gate = new BackpressureGate()
  Queue.offerUnsafe(queue, { _tag: "Started", execId: id })
  yield* move(ofCommand({ framing: "multiplexed", output }), queue, gate).pipe(
    Effect.andThen(end),
    Effect.tap((exited) => Queue.offer(queue, exited)),
    Queue.into(queue),
    Effect.forkScoped
  )
  return drain(queue, gate)
})
