/** Common parts of the verbs of `task-exec`: flags, help, the engine, errors and exit codes. */
import * as Effect from "effect/Effect"
import { type OutputClosed, type OutputFailed, writeText } from "../Output.ts"
import { inOneEntry } from "../Printable.ts"
import { Channel } from "./Channel.ts"
import type { connectionFlags } from "./CommonFlags.ts"
import { chooseEngine } from "./EngineChoice.ts"
import { exitCodeOf, exitCodes, usageHint } from "./ExitCode.ts"
import { type Flags, type ReadFlags, readFlags } from "./Flags.ts"
import { type CommandHelp, renderHelp } from "./Help.ts"
import { logTo } from "./Logging.ts"
import { UsageError } from "./Usage.ts"
import { withEngine } from "./withEngine.ts"

/** A command line of a verb. */
export interface VerbLine<Table extends Flags> {
  /** What the user typed before the verb: `task-exec`. */
  readonly program: string
  readonly name: string
  readonly help: CommandHelp
  readonly flags: Table
  readonly argv: ReadonlyArray<string>
}

/** Prints the help of a verb on stdout. */
export const printHelp = ({ help, name, program }: Omit<VerbLine<Flags>, "argv" | "flags">) =>
  writeText(1, renderHelp(program, name, help))

/** Reads the command line. Returns `undefined` after it has printed the requested help. */
export const readLine = <const Table extends Flags>(
  line: VerbLine<Table>
): Effect.Effect<ReadFlags<Table> | undefined, UsageError | OutputClosed | OutputFailed> =>
  Effect.flatMap(readFlags(line.argv, line.flags), (read) =>
    "help" in read.values && read.values.help === true ? Effect.as(printHelp(line), undefined) : Effect.succeed(read)
  )

/** A failure that a verb reports. */
export interface VerbFailure {
  readonly _tag: string
  readonly message: string
}

/** Writes a failure to stderr and returns its exit code. `failed` is the code of failures other than wrong usage. */
export const reportFailure = (
  { name, program }: Pick<VerbLine<Flags>, "name" | "program">,
  error: VerbFailure,
  stderr: Channel,
  failed: number = exitCodes.failed
): Effect.Effect<number> => {
  const code = exitCodeOf(error, failed)
  if (error._tag === "OutputClosed") return Effect.succeed(code)
  const hint = usageHint(`${program} ${name}`, error)
  // A closed stderr leaves no place to report this failure.
  return Effect.as(Effect.ignore(stderr.line(`${program} ${name}: ${inOneEntry(error.message)}${hint}`)), code)
}

type ConnectionFlags = Flags & typeof connectionFlags
type EngineFlags = Pick<ReadFlags<typeof connectionFlags>["values"], "context" | "host">

/** A verb that talks to the engine. */
interface Subcommand<Table extends ConnectionFlags, Args, E> {
  readonly line: VerbLine<Table>
  readonly args: (read: ReadFlags<Table>) => Effect.Effect<Args, UsageError>
  /** Returns the exit code. */
  readonly run: (args: Args, stdout: Channel) => Effect.Effect<number, E>
  /** The exit code of a failure other than wrong usage. */
  readonly failed: number
}

/** Runs one command line on the engine that it names. Returns the exit code. */
export const runSubcommand = <const Table extends ConnectionFlags, Args, E extends VerbFailure>({
  args,
  failed,
  line,
  run
}: Subcommand<Table, Args, E>): Effect.Effect<number> => {
  const stdout = new Channel(1)
  const stderr = new Channel(2)
  return readLine(line).pipe(
    Effect.flatMap(
      (read): Effect.Effect<number, E | UsageError> =>
        read === undefined
          ? Effect.succeed(0)
          : Effect.gen(function* () {
              const found = yield* args(read)
              const { context, host }: EngineFlags = read.values
              return yield* withEngine(yield* chooseEngine(host, context))(run(found, stdout))
            })
    ),
    Effect.catch((error) => reportFailure(line, error, stderr, failed)),
    Effect.provide(logTo(stderr, false))
  )
}

/** Runs one command line of a verb that needs no engine. Returns the exit code. */
export const runPlain = <const Table extends Flags, E extends VerbFailure>(
  line: VerbLine<Table>,
  run: (operands: ReadonlyArray<string>) => Effect.Effect<void, E | UsageError>
): Effect.Effect<number> =>
  readLine(line).pipe(
    Effect.flatMap(
      (read): Effect.Effect<void, E | UsageError> => (read === undefined ? Effect.void : run(read.positionals))
    ),
    Effect.as(0),
    Effect.catch((error) => reportFailure(line, error, new Channel(2)))
  )

/** Fails if there are operands. */
export const noOperands = ([first]: ReadonlyArray<string>): Effect.Effect<void, UsageError> =>
  first === undefined
    ? Effect.void
    : Effect.fail(new UsageError({ detail: `unexpected argument ${JSON.stringify(first)}` }))
