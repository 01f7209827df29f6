/** The command line of the benchmark. */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { engineVersions } from "../test/cluster/NewerEngine.ts"

/** Names of the measures, in the order in which they run. */
export const measureNames = [
  "start",
  "local",
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

const isMeasure = (text: string): text is MeasureName => measureNames.some((name) => name === text)

/** The output of `--help`. */
export const usage = `Usage: npm run bench -- [OPTIONS] [MEASURE...]

Compares task-exec with other ways to do the same, on a swarm of three nodes on this machine. Starts the swarm and removes
it, unless TASK_EXEC_CLUSTER names a running one. Prints a table. A run of all measures on this machine's own engine also
writes bench/results.json and, from it, docs/performance.md, docs/performance-table.md and docs/img/bench.svg.

MEASURE is ${measureNames.slice(0, 9).join(", ")},
${measureNames.slice(9).join(", ")} (default: all).

  --runs N          number of rounds, after one that does not count (default 10); slow measures have fewer
  --full            move 1000 MB instead of 100 MB in the throughput measures
  --seed DIR        also compare with the original plugin in DIR (a checkout of skopos-plugin-swarm-exec); installs
                    Debian's python3-docker
  --engine VERSION  engine of the nodes (default: this machine's own): ${engineVersions.join(", ")}
  --json FILE       write the figures to FILE
  --keep            replace the figures of these measures in bench/results.json
  --pages           measure nothing; generate the pages and the chart from bench/results.json
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
  /** Number of rounds, without the first one that does not count. */
  readonly runs: number
  readonly measures: ReadonlyArray<MeasureName>
  /** Amount of data of the throughput measures, in 10^6 bytes. */
  readonly megabytes: number
  /** Folder of the original plugin's checkout. */
  readonly seed: string | undefined
  /** Version of the nodes' engine; undefined for this machine's own. */
  readonly engine: string | undefined
  /** File for the figures. */
  readonly json: string | undefined
  /** Replace the kept figures of these measures. */
  readonly keep: boolean
}

const options = {
  runs: { type: "string", default: "10" },
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
  const { engine, full, help, json, keep, pages, seed } = values
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1 || runs > 1000)
    return yield* new WrongUsage({
      detail: `invalid --runs ${JSON.stringify(values.runs)}: expected a number from 1 to 1000`
    })
  const unknown = positionals.find((name) => !isMeasure(name))
  if (unknown !== undefined) return yield* new WrongUsage({ detail: `unknown measure ${JSON.stringify(unknown)}` })
  if (engine !== undefined && !engineVersions.includes(engine))
    return yield* new WrongUsage({
      detail: `invalid --engine ${JSON.stringify(engine)}: expected one of ${engineVersions.join(", ")}`
    })
  if (keep && engine !== undefined)
    return yield* new WrongUsage({
      detail: "--keep and --engine cannot be combined: the kept figures are those of this machine's own engine"
    })
  const measures = positionals.length === 0 ? measureNames : measureNames.filter((name) => positionals.includes(name))
  return { help, pages, runs, measures, megabytes: full ? 1000 : 100, seed, engine, json, keep }
})
