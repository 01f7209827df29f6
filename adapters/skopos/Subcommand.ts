/** What the subcommands have in common that look after the swarm. */
import * as Effect from "effect/Effect"
import { environmentWith } from "../../src/engine/Environment.ts"
import type { EngineChoice } from "../cli/EngineChoice.ts"
import { exitCodeOf } from "../cli/ExitCode.ts"
import type { UsageError } from "../cli/Usage.ts"
import type { OutputClosed, OutputFailed } from "../Output.ts"
import { inOneEntry } from "../Printable.ts"
import { Channel } from "./Channel.ts"
import { logTo } from "./Logging.ts"

/** What every command line of theirs says. */
interface CommonArgs {
  readonly help: boolean
  readonly engine: EngineChoice
}

/** A subcommand. */
interface Subcommand<Args extends CommonArgs, E> {
  readonly name: string
  /** The text that `--help` prints. */
  readonly help: string
  readonly args: Effect.Effect<Args, UsageError>
  /** Gives the exit code. */
  readonly run: (args: Args, stdout: Channel) => Effect.Effect<number, E>
  /** The exit code when it could not be done. */
  readonly failed: number
}

/** Runs one command line of it, on the engine that it names, and gives its exit code. */
export const runSubcommand = <Args extends CommonArgs, E extends { readonly _tag: string; readonly message: string }>({
  args,
  failed,
  help,
  name,
  run
}: Subcommand<Args, E>): Effect.Effect<number> => {
  const stdout = new Channel(1)
  const stderr = new Channel(2)
  const perform = (found: Args): Effect.Effect<number, E | OutputClosed | OutputFailed> =>
    found.help
      ? Effect.as(stdout.line(help.trimEnd()), 0)
      : Effect.provide(run(found, stdout), environmentWith(found.engine))
  const tell = ({ _tag, message }: { readonly _tag: string; readonly message: string }): Effect.Effect<number> => {
    const code = exitCodeOf({ _tag }, failed)
    if (_tag === "OutputClosed") return Effect.succeed(code)
    const hint = _tag === "UsageError" ? "; run with --help for usage" : ""
    // If nobody reads even that, there is nobody to tell.
    return Effect.as(Effect.ignore(stderr.line(`swarm-exec ${name}: ${inOneEntry(message)}${hint}`)), code)
  }
  return args.pipe(Effect.flatMap(perform), Effect.catch(tell), Effect.provide(logTo(stderr, false)))
}
