/** The frame of the subcommands that maintain the swarm: arguments, help, engine, errors and exit code. */
import * as Effect from "effect/Effect"
import type { OutputClosed, OutputFailed } from "../Output.ts"
import { inOneEntry } from "../Printable.ts"
import { Channel } from "./Channel.ts"
import { withEngine } from "./ChosenEngine.ts"
import type { EngineChoice } from "./EngineChoice.ts"
import { exitCodeOf } from "./ExitCode.ts"
import { logTo } from "./Logging.ts"
import type { UsageError } from "./Usage.ts"

/** Arguments that each of these subcommands has. */
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
  /** The exit code of a failure other than wrong usage. */
  readonly failed: number
}

/** Runs one command line on the engine that it names. Returns the exit code. */
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
    found.help ? Effect.as(stdout.line(help.trimEnd()), 0) : withEngine(found.engine)(run(found, stdout))
  const tell = ({ _tag, message }: { readonly _tag: string; readonly message: string }): Effect.Effect<number> => {
    const code = exitCodeOf({ _tag }, failed)
    if (_tag === "OutputClosed") return Effect.succeed(code)
    const hint = _tag === "UsageError" ? "; run with --help for usage" : ""
    // A closed stderr leaves no place to report this failure.
    return Effect.as(Effect.ignore(stderr.line(`swarm-exec ${name}: ${inOneEntry(message)}${hint}`)), code)
  }
  return args.pipe(Effect.flatMap(perform), Effect.catch(tell), Effect.provide(logTo(stderr, false)))
}
