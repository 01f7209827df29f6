/** The command line of the benchmark. */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { engineVersions } from "../test/cluster/NewerEngine.ts"

/** What there is to measure, in the order in which it is measured. */
export const measureNames = [
  "start",
  "local",
  "cold",
  "input",
  "agent",
  "interactive",
  "throughput",
  "content",
  "memory",
  "image",
  "store",
  "killed",
  "fan-out",
  "large-fan-out"
] as const

/** What there is to measure. */
export type MeasureName = (typeof measureNames)[number]

const isMeasure = (text: string): text is MeasureName => measureNames.some((name) => name === text)

/** What `--help` prints. */
export const usage = `Usage: npm run bench -- [OPTIONS] [MEASURE...]

Measures task-exec side by side with other ways to do the same, on a swarm of three nodes on this machine. It brings the
swarm up and takes it down, unless TASK_EXEC_CLUSTER names one that is up. Prints a table. A run of all measures on this
machine's own engine is kept: in bench/results.json, and with docs/performance.md and docs/img/bench.svg, which are made
of it.

MEASURE is ${measureNames.slice(0, 8).join(", ")},
${measureNames.slice(8).join(", ")}; all of them unless told.

  --runs N          rounds, after one that does not count (default 10); fewer of what takes long
  --full            move 1000 MB, not 100, where it is about throughput
  --seed DIR        compare with the original plugin in DIR, too (skopos-plugin-swarm-exec, checked out); installs
                    Debian's python3-docker
  --engine VERSION  of the nodes, in place of this machine's own: ${engineVersions.join(", ")}
  --json FILE       write the figures to FILE, whatever was measured
  --keep            keep the figures of these measures in bench/results.json, in place of those that it has of them
  --pages           measure nothing: make the page and the plot anew from the figures that are kept
  --help            this text`

/** The command line makes no sense. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}\n\n${usage}`
  }
}

/** What to do. */
export interface Options {
  readonly help: boolean
  readonly pages: boolean
  /** Rounds that count. */
  readonly runs: number
  readonly measures: ReadonlyArray<MeasureName>
  /** Of data that throughput is about, 10^6 bytes each. */
  readonly megabytes: number
  /** Folder of the original plugin. */
  readonly seed: string | undefined
  /** Version of the nodes' engine, unless it is this machine's own. */
  readonly engine: string | undefined
  /** File to write the figures to. */
  readonly json: string | undefined
  /** Keep the figures of some measures with those of the others. */
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
    return yield* new WrongUsage({ detail: `--runs takes a number from 1 to 1000, not ${JSON.stringify(values.runs)}` })
  const unknown = positionals.find((name) => !isMeasure(name))
  if (unknown !== undefined) return yield* new WrongUsage({ detail: `there is no measure ${JSON.stringify(unknown)}` })
  if (engine !== undefined && !engineVersions.includes(engine))
    return yield* new WrongUsage({ detail: `--engine takes one of ${engineVersions.join(", ")}` })
  if (keep && engine !== undefined)
    return yield* new WrongUsage({ detail: "--keep is for figures of this machine's own engine, without --engine" })
  const measures = positionals.length === 0 ? measureNames : measureNames.filter((name) => positionals.includes(name))
  return { help, pages, runs, measures, megabytes: full ? 1000 : 100, seed, engine, json, keep }
})
