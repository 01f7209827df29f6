/** The command line of the chaos suite. */
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { engineVersions } from "../cluster/NewerEngine.ts"
import { type FaultName, faultNames, type Kind, kinds } from "./Plan.ts"
import { shortForm, shortSeed } from "./ShortForm.ts"

/** The output of `--help`. */
export const usage = `Usage: npm run chaos -- [--runs N] [--seed S] [--from N] [--only FAULT[+FAULT]] [--kind KIND] [--short]
                        [--engine VERSION] [--minutes M]

Runs commands, fan-outs, terminals, one-off tasks, copies and forwarded ports on a swarm of six nodes on this machine, breaks
something during each run, in a third of the runs two things at once, and checks that the command started at most once and
ended in time, that nothing is left behind, that success has proof, and that no engine crashed. Every ten runs without agents
are followed by ten with agents: faults of helpers then hit the agent on the target's node ("kill") or on the caller's node
("remove"). Starts the swarm and removes it. Exit code: 1 if a check fails.

  --runs N       number of runs (default 20)
  --seed S       seed of the random choices (default: a new one, which is printed)
  --from N       number of the first run; with --seed and --runs 1, repeats a single run
  --only FAULT   inject this fault only: ${faultNames.slice(0, 7).join(", ")},
                 ${faultNames.slice(7).join(", ")}; join two faults with +
  --kind KIND    do this only: ${kinds.join(", ")}
  --short        do the ${shortForm.length} fixed runs of \`npm test\` instead of random ones
  --engine V     run this engine: ${engineVersions.join(", ")} (default: the machine's own)
  --minutes M    start no run after M minutes
  --help         print this text`

/** The command line is invalid. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}\n\n${usage}`
  }
}

/** The parsed command line. */
export interface Options {
  readonly help: boolean
  readonly runs: number
  readonly seed: number | undefined
  /** Number of the first run. */
  readonly from: number
  /** Empty: random faults. */
  readonly only: ReadonlyArray<FaultName>
  /** `undefined`: random kinds. */
  readonly kind: Kind | undefined
  /** `undefined`: the engine of this machine. */
  readonly engine: string | undefined
  readonly short: boolean
  /** Milliseconds after which no run starts. */
  readonly atMost: number
}

const whole = (name: string, text: string, most: number): Effect.Effect<number, WrongUsage> => {
  const value = Number(text)
  return Number.isInteger(value) && value >= 1 && value <= most
    ? Effect.succeed(value)
    : Effect.fail(
        new WrongUsage({ detail: `invalid --${name} ${JSON.stringify(text)}: expected a number from 1 to ${most}` })
      )
}

/** Reads the command line. */
export const parseOptions = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>
): Effect.fn.Return<Options, WrongUsage> {
  const { values } = yield* Effect.try({
    try: () =>
      parseArgs({
        args: [...argv],
        options: {
          runs: { type: "string" },
          seed: { type: "string" },
          from: { type: "string", default: "1" },
          only: { type: "string" },
          kind: { type: "string" },
          engine: { type: "string" },
          short: { type: "boolean", default: false },
          minutes: { type: "string", default: "100000" },
          help: { type: "boolean", short: "h", default: false }
        }
      }),
    catch: (error) => new WrongUsage({ detail: error instanceof Error ? error.message : String(error) })
  })
  const { engine, short } = values
  const words = values.only?.split("+") ?? []
  const only = words.flatMap((word) => faultNames.find((name) => name === word) ?? [])
  if (only.length < words.length || only.length > 2) {
    return yield* new WrongUsage({
      detail: `invalid --only ${JSON.stringify(values.only)}: expected one or two of ${faultNames.join(", ")}`
    })
  }
  const kind = kinds.find((one) => one === values.kind)
  if (values.kind !== undefined && kind === undefined) {
    return yield* new WrongUsage({
      detail: `invalid --kind ${JSON.stringify(values.kind)}: expected one of ${kinds.join(", ")}`
    })
  }
  if (engine !== undefined && !engineVersions.includes(engine)) {
    return yield* new WrongUsage({
      detail: `invalid --engine ${JSON.stringify(engine)}: expected one of ${engineVersions.join(", ")}`
    })
  }
  if (short && (only.length > 0 || kind !== undefined)) {
    return yield* new WrongUsage({ detail: "--short cannot be combined with --only or --kind" })
  }
  const from = yield* whole("from", values.from, short ? shortForm.length : 100_000)
  const most = short ? shortForm.length + 1 - from : 100_000
  return {
    help: values.help,
    runs: yield* whole("runs", values.runs ?? String(short ? most : 20), most),
    seed: values.seed === undefined ? (short ? shortSeed : undefined) : yield* whole("seed", values.seed, 2 ** 31),
    from,
    only,
    kind,
    engine,
    short,
    atMost: 60_000 * (yield* whole("minutes", values.minutes, 100_000))
  }
})
