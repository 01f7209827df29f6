/** The kept figures, one file for each engine: `bench/results/28.5.json`. */
import { existsSync, readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Comparison, type Occasion } from "./Comparison.ts"
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

/** The engines whose results are kept. The first one is the engine of the chart: users have it. */
export const keptEngines = ["28.5", "20.10"] as const

/** An engine whose results are kept. */
export type KeptEngine = (typeof keptEngines)[number]

/** The kept engine that has this name, as in `28.5`, or this version, as in `28.5.2`. */
export const keptEngineOf = (engine: string): KeptEngine | undefined =>
  keptEngines.find((kept) => engine === kept || /^\d+\.\d+(?=\.)/.exec(engine)?.[0] === kept)

/** Path of the kept results of an engine in the project's folder. */
export const resultsFile = (engine: KeptEngine): string => `bench/results/${engine}.json`

/** Reads the kept results of an engine. `undefined` if there are none yet. */
export const keptResults = (engine: KeptEngine): Results | undefined => {
  const file = join(root, resultsFile(engine))
  return existsSync(file) ? parseResults(readFileSync(file, "utf8")) : undefined
}

/** Reads all kept results, in the order of {@link keptEngines}. */
export const allKept = (): ReadonlyArray<Results> =>
  keptEngines.flatMap((engine) => {
    const kept = keptResults(engine)
    return kept === undefined ? [] : [kept]
  })

/**
 * Adds the kept figures of the measures that `results` lacks, with the occasion on which they were measured. The measures are in the order
 * of `names`.
 */
export const merge = (kept: Results, results: Results, names: ReadonlyArray<string>): Results => {
  const measured = new Set(results.comparisons.map(({ measure }) => measure))
  const occasion: Occasion = { date: kept.date, commit: kept.commit, load: kept.machine.load }
  const others = kept.comparisons
    .filter(({ measure }) => !measured.has(measure))
    .map((one): Comparison => ({ occasion, ...one }))
  const all = [...others, ...results.comparisons]
  return { ...results, comparisons: names.flatMap((name) => all.filter(({ measure }) => measure === name)) }
}

/** Writes a file in the project's folder. */
export const writeInProject = (file: string, text: string): Effect.Effect<void> =>
  Effect.promise(() => writeFile(join(root, file), text))
