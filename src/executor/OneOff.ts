/** Combines the command of a one-off task with the command of its image. */
import * as Effect from "effect/Effect"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { ExecSpec, OneOffSpec } from "./ExecSpec.ts"
import { CommandNotStarted, type ExecutorError } from "./ExecutorErrors.ts"
import { refusal } from "./Refusal.ts"

/** The command of an image. */
export interface ImageCommand {
  readonly Entrypoint: ReadonlyArray<string>
  readonly Cmd: ReadonlyArray<string>
}

/**
 * Returns the words that a container of the image runs, by the engine's rule (moby, `daemon/commit.go`, `merge`): an entrypoint in the
 * request replaces the image's entrypoint and arguments.
 */
export const wordsOf = (
  { args, entrypoint }: Pick<OneOffSpec, "args" | "entrypoint">,
  { Cmd, Entrypoint }: ImageCommand
): ReadonlyArray<string> => [...(entrypoint ?? Entrypoint), ...(args ?? (entrypoint === undefined ? Cmd : []))]

/** Returns the spec with the command of the one-off task. */
export const withCommandOf = Effect.fn("TaskExec.imageCommand")(function* (
  engine: DockerEngineShape,
  spec: ExecSpec,
  oneOff: OneOffSpec
): Effect.fn.Return<Pick<ExecSpec, "command">, ExecutorError> {
  // The image is inspected only if its command matters.
  const image =
    oneOff.entrypoint === undefined
      ? yield* engine.inspectContainer(spec.container).pipe(
          Effect.flatMap(({ Image }) => engine.inspectImage(Image)),
          Effect.mapError(refusal(spec)),
          Effect.map(({ Config }) => Config)
        )
      : { Entrypoint: [], Cmd: [] }
  const [program, ...words] = wordsOf(oneOff, image)
  if (program === undefined || program === "") {
    return yield* new CommandNotStarted({
      command: spec.command[0],
      detail: "neither the image nor the service names a command, so COMMAND is required"
    })
  }
  return { command: [program, ...words] }
})
