/** The command line of the benchmark. */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { engineVersions } from "../test/cluster/NewerEngine.ts"
import { keptEngineOf, keptEngines } from "./Results.ts"
import { fewestForInterval } from "./Statistics.ts"

/** Names of the measures, in the order in which they run. */
export const measureNames = [
  "start",
  "local",
  "ssh",
  "one-off",
  "cold",
  "input",
  "agent",
  "interactive",
  "debug",
  "throughput",
  "forward",
  "content",
  "logs",
  "memory",
  "image",
  "store",
  "killed",
  "fan-out",
  "large-fan-out"
] as const

/** The name of a measure. */
export type MeasureName = (typeof measureNames)[number]

/** Names of the measures that compare two commits. */
export const againstNames = [
  "start",
  "local",
  "cold",
  "input",
  "agent",
  "throughput"
] as const satisfies ReadonlyArray<MeasureName>

/** The name of a measure that compares two commits. */
export type AgainstName = (typeof againstNames)[number]

/** A ratio of the times of two commits above this one is a regression. */
export const regressionBound = 1.05

const isOneOf = (names: ReadonlyArray<MeasureName>, text: string): text is MeasureName =>
  names.some((name) => name === text)

/** The output of `--help`. */
export const usage = `Usage: npm run bench -- [OPTIONS] [MEASURE...]

Compares task-exec with other ways to do the same, on a swarm of three nodes on this machine. Starts the swarm and removes
it, unless TASK_EXEC_CLUSTER names a running one. Prints a table. A run of all measures on a swarm of its own, with engine
${keptEngines.join(" or ")}, also replaces the engine's figures in bench/results and generates docs/performance.md,
docs/performance-table.md and docs/img/bench.svg from those of both engines. The figures of a measure are written when it
ends. If a measure fails, the next one begins, and the exit code is 1 at the end.

MEASURE is ${measureNames.slice(0, 9).join(", ")},
${measureNames.slice(9).join(", ")} (default: all).

  --runs N          number of rounds, after one that does not count (default 10); slow measures have fewer
  --full            move 1000 MB instead of 100 MB in the throughput measures
  --against REV     compare this build with the build of another commit instead, in turn on the same swarm. MEASURE is
                    ${againstNames.join(", ")} (default: all of these). Exits 1 on a regression: if
                    the 95 % interval of the median ratio of the times, or of the CPU times, is above ${regressionBound}. At least
                    ${fewestForInterval} rounds; 30 or more on a busy machine
  --seed DIR        also compare with the original plugin in DIR (a checkout of skopos-plugin-swarm-exec); installs
                    Debian's python3-docker
  --engine VERSION  engine of the nodes (default: this machine's own): ${engineVersions.join(", ")}
  --json FILE       write the figures to FILE
  --keep            replace the engine's figures of these measures in bench/results, and generate the pages
  --pages           measure nothing; generate the pages and the charts from bench/results
  --help            show this text`

/** The command line is invalid. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}\n\n${usage}`
  }
}

/** The parsed command line. */
export interface Options {
  readonly help: boolean
  readonly pages: boolean
  /** Number of rounds, not counting the first one. */
  readonly runs: number
  readonly measures: ReadonlyArray<MeasureName>
  /** Amount of data of the throughput measures, in 10^6 bytes. */
  readonly megabytes: number
  /** The other commit of a comparison of two commits. */
  readonly against: string | undefined
  /** Folder of the original plugin's checkout. */
  readonly seed: string | undefined
  /** Version of the nodes' engine. `undefined`: the machine's own engine. */
  readonly engine: string | undefined
  /** File for the figures. */
  readonly json: string | undefined
  /** Replace the kept figures of these measures. */
  readonly keep: boolean
}

const options = {
  runs: { type: "string", default: "10" },
  against: { type: "string" },
  full: { type: "boolean", default: false },
  seed: { type: "string" },
  engine: { type: "string" },
  json: { type: "string" },
  keep: { type: "boolean", default: false },
  pages: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false }
} as const

/** Reads the command line. */
export const parseOptions = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>
): Effect.fn.Return<Options, WrongUsage> {
  const { positionals, values } = yield* Effect.try({
    try: () => parseArgs({ args: [...argv], allowPositionals: true, options }),
    catch: (error) => new WrongUsage({ detail: error instanceof Error ? error.message : String(error) })
  })
  const { against, engine, full, help, json, keep, pages, seed } = values
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1 || runs > 1000)
    return yield* new WrongUsage({
      detail: `invalid --runs ${JSON.stringify(values.runs)}: expected a number from 1 to 1000`
    })
  const unknown = positionals.find((name) => !isOneOf(measureNames, name))
  if (unknown !== undefined) return yield* new WrongUsage({ detail: `unknown measure ${JSON.stringify(unknown)}` })
  if (engine !== undefined && !engineVersions.includes(engine))
    return yield* new WrongUsage({
      detail: `invalid --engine ${JSON.stringify(engine)}: expected one of ${engineVersions.join(", ")}`
    })
  if (keep && engine !== undefined && keptEngineOf(engine) === undefined)
    return yield* new WrongUsage({
      detail: `--keep and --engine ${engine} cannot be combined: expected ${keptEngines.join(" or ")}`
    })
  if (against !== undefined) {
    const other = Object.entries({ "--json": json, "--seed": seed, "--keep": keep, "--pages": pages }).find(
      ([, value]) => value !== undefined && value !== false
    )
    if (other !== undefined) return yield* new WrongUsage({ detail: `--against and ${other[0]} cannot be combined` })
    if (runs < fewestForInterval)
      return yield* new WrongUsage({
        detail: `--against needs at least ${fewestForInterval} rounds, but --runs is ${runs}`
      })
    const missing = positionals.find((name) => !isOneOf(againstNames, name))
    if (missing !== undefined)
      return yield* new WrongUsage({
        detail: `cannot compare two commits by the measure ${missing}: expected ${againstNames.join(", ")}`
      })
  }
  const all = against === undefined ? measureNames : againstNames
  const measures = positionals.length === 0 ? all : all.filter((name) => positionals.includes(name))
  return { against, help, pages, runs, measures, megabytes: full ? 1000 : 100, seed, engine, json, keep }
})
