/** Figures as they are kept: `bench/results.json`. */
import { readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Comparison } from "./Comparison.ts"
import { Machine } from "./Machine.ts"

/** What a run measured, and how. */
export const Results = Schema.Struct({
  /** When it was over, as in `2026-01-31T12:00:00.000Z`. */
  date: Schema.String,
  /** What was measured; with a `+` where files differed from it. Null outside of a repository. */
  commit: Schema.NullOr(Schema.String),
  machine: Machine,
  /** Rounds of each measure; those that take long have fewer. */
  runs: Schema.Int,
  comparisons: Schema.Array(Comparison)
})

/** What a run measured, and how. */
export type Results = typeof Results.Type

const Text = Schema.fromJsonString(Results)

/** As text, for people's diffs too. */
export const printResults = (results: Results): string => `${JSON.stringify(results, null, 2)}\n`

/** From text; throws where that is something else. */
export const parseResults = Schema.decodeUnknownSync(Text)

const root = join(import.meta.dirname, "..")

/** Where they are kept, in the project's folder. */
export const resultsFile = "bench/results.json"

/** Those that are kept. */
export const keptResults = (): Results => parseResults(readFileSync(join(root, resultsFile), "utf8"))

/** The kept figures with the new ones in place of those of the same measures, in the order of `names`. */
export const merge = (kept: Results, results: Results, names: ReadonlyArray<string>): Results => {
  const measured = new Set(results.comparisons.map(({ measure }) => measure))
  const all = [...kept.comparisons.filter(({ measure }) => !measured.has(measure)), ...results.comparisons]
  return { ...kept, comparisons: names.flatMap((name) => all.filter(({ measure }) => measure === name)) }
}

/** Writes a file of the project. */
export const writeInProject = (file: string, text: string): Effect.Effect<void> =>
  Effect.promise(() => writeFile(join(root, file), text))
