/**
 * Measures whole commands side by side. hyperfine runs them in turn, round by round, so that a temporary disturbance of the machine affects
 * all of them. Each round begins with another command.
 */

import { existsSync } from "node:fs"
import { readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runGroup } from "../test/cluster/ProcessGroup.ts"
import { type Turn, turnsOf } from "./Turns.ts"

/** A command to measure. */
export interface Contender {
  /** The name in tables. */
  readonly name: string
  readonly argv: ReadonlyArray<string>
  /** Bytes that the command must write to stdout. Not counted if undefined. */
  readonly bytes?: number
  /** A file to which every run appends one number. */
  readonly notes?: string
}

/** The measurements of a command, one per run. */
export interface Measured {
  readonly contender: Contender
  /** From start to end of the whole command. */
  readonly seconds: ReadonlyArray<number>
  /** CPU time, user and system, of the processes that the command started on this machine. */
  readonly cpuSeconds: ReadonlyArray<number>
  /** The numbers from the file `notes`. */
  readonly notes: ReadonlyArray<number>
}

/** How commands are run. */
export interface MeasureOptions {
  /** The number of counted rounds. */
  readonly runs: number
  /** The whole environment of the commands. */
  readonly env: Readonly<Record<string, string>>
  /** A folder for temporary files. */
  readonly dir: string
}

/** A command failed, or wrote the wrong output. */
export class WrongResult extends Schema.TaggedError<WrongResult>()("WrongResult", {
  command: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.command}: ${this.detail}`
  }
}

/** The timeout of a single run, in milliseconds. */
export const runTimeout = 300_000

/** Seconds before every run in which the engines can clean up after the run before. */
const pause = 0.5

const Export = Schema.fromJsonString(
  Schema.Struct({
    results: Schema.Array(
      Schema.Struct({ times: Schema.Array(Schema.Finite), user: Schema.Finite, system: Schema.Finite })
    )
  })
)

/** Quotes a word for hyperfine, which splits command lines as a shell does. */
const quote = (word: string): string => (/^[\w./:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** Runs the command once. Fails if the command fails or writes another number of bytes than it must. */
export const warmUp = Effect.fnUntraced(function* (
  { argv, bytes, name }: Contender,
  { env }: Pick<MeasureOptions, "env">
) {
  const finished = yield* runGroup(argv, { env, timeout: runTimeout })
  if (bytes !== undefined && finished.bytes !== bytes)
    return yield* new WrongResult({ command: name, detail: `${finished.bytes} bytes of output instead of ${bytes}` })
})

/** The number that the only run of a command appended. */
export const numberNoted = (file: string): Effect.Effect<number> =>
  Effect.map(readNotes(file), ([only]) => only ?? Number.NaN)

/** The numbers that the runs of a command appended. */
const readNotes = (file: string) =>
  Effect.promise(async () => {
    const lines = (await readFile(file, "utf8")).split("\n")
    return lines.filter((line) => line !== "").map(Number)
  })

/** Seconds and CPU seconds of every run. */
const timeOf = Effect.fnUntraced(function* (
  turns: ReadonlyArray<Turn>,
  contenders: ReadonlyArray<Contender>,
  { dir, env }: MeasureOptions
) {
  const commands = turns.map(({ who }) => contenders[who]?.argv.map(quote).join(" ") ?? "")
  const file = join(dir, "hyperfine.json")
  const flags = ["-N", "--style=none", "--output=pipe", "--runs=1", `--prepare=sleep ${pause}`]
  yield* runGroup(["hyperfine", ...flags, `--export-json=${file}`, "--", ...commands], {
    env,
    timeout: turns.length * runTimeout
  })
  const { results } = yield* Effect.orDie(
    Schema.decodeUnknownEffect(Export)(yield* Effect.promise(() => readFile(file, "utf8")))
  )
  return turns.map((turn, at) => {
    const { system = Number.NaN, times: [seconds = Number.NaN] = [], user = Number.NaN } = results[at] ?? {}
    return { ...turn, seconds, cpuSeconds: user + system }
  })
})

/** Measures commands against each other. Fails if a run of any of them fails. */
export const measure = Effect.fn("Measure.measure")(function* (
  what: string,
  contenders: ReadonlyArray<Contender>,
  options: MeasureOptions
) {
  const { runs } = options
  yield* Console.error(`measuring ${what}: ${contenders.length} commands, 1 + ${runs} times each`)
  yield* Effect.forEach(contenders, (one) => warmUp(one, options), { discard: true })
  for (const { notes } of contenders)
    if (notes !== undefined && existsSync(notes)) yield* Effect.promise(() => rm(notes))
  const timed = yield* timeOf(turnsOf(contenders.length, runs), contenders, options)
  return yield* Effect.forEach(contenders, (contender, i) =>
    Effect.gen(function* () {
      const turns = timed.filter(({ who }) => who === i)
      const seconds = turns.map((turn) => turn.seconds)
      const notes = contender.notes === undefined ? [] : yield* readNotes(contender.notes)
      if (!seconds.every(Number.isFinite) || (contender.notes !== undefined && notes.length !== runs))
        return yield* new WrongResult({
          command: contender.name,
          detail: `${seconds.length} times and ${notes.length} notes of ${runs} runs`
        })
      const measured: Measured = { contender, seconds, cpuSeconds: turns.map((turn) => turn.cpuSeconds), notes }
      return measured
    })
  )
})

/** Runs effects that return a number, in turns as commands are run. The first round does not count. */
export const inTurns = Effect.fnUntraced(function* <A, E, R>(
  takers: ReadonlyArray<Effect.Effect<A, E, R>>,
  runs: number
) {
  const taken = takers.map((): Array<A> => [])
  for (const { counts, who } of [...turnsOf(takers.length, 1, false), ...turnsOf(takers.length, runs)]) {
    const taker = takers[who]
    if (taker === undefined) continue
    const one = yield* taker
    if (counts) taken[who]?.push(one)
  }
  return taken.map((all): ReadonlyArray<A> => all)
})
