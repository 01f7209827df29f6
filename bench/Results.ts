/** The kept figures: `bench/results.json`. */
import { readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Comparison } from "./Comparison.ts"
import { Machine } from "./Machine.ts"

/** The results of a run of the benchmark. */
export const Results = Schema.Struct({
  /** End of the run, as in `2026-01-31T12:00:00.000Z`. */
  date: Schema.String,
  /** The measured commit, with a `+` if files differed from it. Null outside of a repository. */
  commit: Schema.NullOr(Schema.String),
  machine: Machine,
  /** Rounds of each measure. Slow measures have fewer. */
  runs: Schema.Int,
  comparisons: Schema.Array(Comparison)
})

/** The results of a run of the benchmark. */
export type Results = typeof Results.Type

const Text = Schema.fromJsonString(Results)

/** Prints results as indented JSON, for readable diffs. */
export const printResults = (results: Results): string => `${JSON.stringify(results, null, 2)}\n`

/** Parses results. Throws if the text is invalid. */
export const parseResults = Schema.decodeUnknownSync(Text)

const root = join(import.meta.dirname, "..")

/** Path of the kept results in the project's folder. */
export const resultsFile = "bench/results.json"

/** Reads the kept results. */
export const keptResults = (): Results => parseResults(readFileSync(join(root, resultsFile), "utf8"))

/** Replaces the kept figures of the measures in `results`. The measures are in the order of `names`. */
export const merge = (kept: Results, results: Results, names: ReadonlyArray<string>): Results => {
  const measured = new Set(results.comparisons.map(({ measure }) => measure))
  const all = [...kept.comparisons.filter(({ measure }) => !measured.has(measure)), ...results.comparisons]
  return { ...kept, comparisons: names.flatMap((name) => all.filter(({ measure }) => measure === name)) }
}

/** Writes a file in the project's folder. */
export const writeInProject = (file: string, text: string): Effect.Effect<void> =>
  Effect.promise(() => writeFile(join(root, file), text))
