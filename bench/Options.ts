/** The command line of the benchmark. */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { newerEngines } from "../test/cluster/NewerEngine.ts"

/** What there is to measure. */
export const suites = ["remote", "local", "interactive", "traffic", "gigabyte"] as const

/** What there is to measure. */
export type SuiteName = (typeof suites)[number]

const isSuite = (text: string): text is SuiteName => suites.some((name) => name === text)

/** What `--help` prints. */
export const usage = `Usage: npm run bench -- [--runs N] [--only SUITES] [--engine ${Object.keys(newerEngines).join(" | ")}]

Measures task-exec side by side with other ways to do the same, on a swarm of three nodes on this machine, which it
brings up and takes down. Prints a table, and writes bench/results.json. Needs what \`npm run build\` makes.

  --runs N          timed runs of each command, after the warm-up (default 10); half as many where much output is read
  --only SUITES     of ${suites.join(", ")}; with commas between
  --engine VERSION  engine of the nodes, instead of this machine's own
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
  /** Timed runs of each command. */
  readonly runs: number
  readonly only: ReadonlyArray<SuiteName>
  /** Version of the nodes' engine, unless it is this machine's own. */
  readonly engine: string | undefined
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
          runs: { type: "string", default: "10" },
          only: { type: "string" },
          engine: { type: "string" },
          help: { type: "boolean", short: "h", default: false }
        }
      }),
    catch: (error) => new WrongUsage({ detail: error instanceof Error ? error.message : String(error) })
  })
  const { engine, help } = values
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1 || runs > 1000)
    return yield* new WrongUsage({ detail: `--runs takes a number from 1 to 1000, not ${JSON.stringify(values.runs)}` })
  const only = values.only?.split(",") ?? suites
  if (!only.every(isSuite)) return yield* new WrongUsage({ detail: `--only takes some of ${suites.join(", ")}` })
  return { help, runs, only, engine }
})
