/** Pipelines of commands: the output of a command is the input of the next one. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type { Command, PipedCommand, PipeOptions, StandardCommand } from "effect/process/ChildProcess"
import * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, makeHandle } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { unusable } from "./ProcessErrors.ts"

/** An effect that starts a command or a pipeline. */
export type Spawned = Effect.Effect<ChildProcessHandle, PlatformError.PlatformError, Scope.Scope>

/** Starts all commands of a pipeline at the same time. */
export const spawnPipeline = Effect.fnUntraced(function* (
  pipeline: PipedCommand,
  spawn: (command: StandardCommand) => Spawned
): Effect.fn.Return<ChildProcessHandle, PlatformError.PlatformError, Scope.Scope> {
  const { commands, pipes } = flatten(pipeline)
  const sources = yield* Effect.forEach(commands, () => Deferred.make<ChildProcessHandle>())
  const handles = yield* Effect.forEach(
    commands,
    Effect.fnUntraced(function* (command, at) {
      const before = sources[at - 1]
      const { from = "stdout", to = "stdin" } = pipes[at - 1] ?? {}
      if (to !== "stdin") return yield* unusable("spawn", `cannot pipe to ${to} of a command in a task`)
      const stream =
        before === undefined
          ? undefined
          : Stream.unwrap(Effect.map(Deferred.await(before), (handle) => sourceOf(handle, from)))
      const handle = yield* spawn(stream === undefined ? command : withInput(command, stream))
      const own = sources[at]
      if (own !== undefined) yield* Deferred.succeed(own, handle)
      return handle
    }),
    { concurrency: "unbounded" }
  )
  const [first] = handles
  const last = handles.at(-1)
  if (first === undefined || last === undefined) return yield* Effect.die(new Error("a pipeline has commands"))
  return makeHandle({
    ...last,
    stdin: first.stdin,
    kill: (options) =>
      Effect.forEach(handles.toReversed(), (handle) => Effect.ignore(handle.kill(options)), { discard: true })
  })
})

const flatten = (command: Command): { commands: Array<StandardCommand>; pipes: Array<PipeOptions> } => {
  if (command._tag === "StandardCommand") return { commands: [command], pipes: [] }
  const left = flatten(command.left)
  const right = flatten(command.right)
  return {
    commands: [...left.commands, ...right.commands],
    pipes: [...left.pipes, command.options, ...right.pipes]
  }
}

const withInput = (
  { args, command, options }: StandardCommand,
  stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>
): StandardCommand => {
  const { stdin } = options
  const config = typeof stdin === "object" && !Stream.isStream(stdin) ? stdin : {}
  return ChildProcess.make(command, args, { ...options, stdin: { ...config, stream } })
}

const sourceOf = (handle: ChildProcessHandle, from: NonNullable<PipeOptions["from"]>) => {
  if (from === "stdout" || from === "stderr" || from === "all") return handle[from]
  return Stream.empty
}
