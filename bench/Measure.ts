/**
 * Measures whole commands side by side: hyperfine runs them in turn, round by round, so that what disturbs the machine for
 * a while disturbs all of them.
 */

import { existsSync } from "node:fs"
import { readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runGroup } from "../test/cluster/ProcessGroup.ts"

/** A command to measure. */
export interface Contender {
  /** What tables call it. */
  readonly name: string
  readonly argv: ReadonlyArray<string>
  /** Bytes that it must write to standard output, if they are to be counted. */
  readonly bytes?: number
  /** A file to which every run of it appends one number. */
  readonly notes?: string
}

/** What was measured of a command, run by run. */
export interface Measured {
  readonly contender: Contender
  /** From start to end of the whole command. */
  readonly seconds: ReadonlyArray<number>
  /** What the runs wrote down. */
  readonly notes: ReadonlyArray<number>
}

/** How the commands are run. */
export interface MeasureOptions {
  /** Timed runs of each command. */
  readonly runs: number
  /** All of the commands' environment. */
  readonly env: Readonly<Record<string, string>>
  /** A folder for files that are not needed afterwards. */
  readonly dir: string
}

/** A command did not do its work. */
export class WrongResult extends Schema.TaggedError<WrongResult>()("WrongResult", {
  command: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.command}: ${this.detail}`
  }
}

/** Runs of each command before those that count. */
export const warmUps = 2

/** How long a single run may take, in milliseconds. */
const patience = 180_000

/** Time for the engines to put away what the command before left to them: in seconds, before every run. */
const pause = 0.5

const Export = Schema.fromJsonString(
  Schema.Struct({
    results: Schema.Array(Schema.Struct({ command: Schema.String, times: Schema.Array(Schema.Finite) }))
  })
)

/** A word for hyperfine, which splits command lines as a shell does. */
const quote = (word: string): string => (/^[\w./:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** Runs the command once; fails if it does not succeed or writes less or more than it should. */
const warmUp = Effect.fnUntraced(function* ({ argv, bytes, name }: Contender, { env }: MeasureOptions) {
  const finished = yield* runGroup(argv, { env, timeout: patience })
  if (bytes !== undefined && finished.bytes !== bytes)
    return yield* new WrongResult({ command: name, detail: `${finished.bytes} bytes of output instead of ${bytes}` })
})

const readNotes = (file: string) =>
  Effect.promise(async () => {
    const lines = (await readFile(file, "utf8")).split("\n")
    return lines.filter((line) => line !== "").map(Number)
  })

/** Measures commands against each other. All of them must succeed every time. */
export const measure = Effect.fn("Measure.measure")(function* (
  what: string,
  contenders: ReadonlyArray<Contender>,
  options: MeasureOptions
) {
  const { dir, env, runs } = options
  yield* Console.error(`measuring ${what}: ${contenders.length} commands, ${warmUps} + ${runs} times each`)
  for (let n = 0; n < warmUps; n++) yield* Effect.forEach(contenders, (one) => warmUp(one, options), { discard: true })
  for (const { notes } of contenders)
    if (notes !== undefined && existsSync(notes)) yield* Effect.promise(() => rm(notes))

  const commands = contenders.map(({ argv }) => argv.map(quote).join(" "))
  const file = join(dir, "hyperfine.json")
  const rounds = Array.from({ length: runs }, (_, round) => round + 1)
  // A parameter that no command contains makes every command run once for each of its values, in turn with the others.
  const flags = ["-N", "--style=none", "--output=pipe", "--runs=1", "--parameter-list", "round", rounds.join(",")]
  yield* runGroup(["hyperfine", ...flags, `--prepare=sleep ${pause}`, `--export-json=${file}`, "--", ...commands], {
    env,
    timeout: runs * contenders.length * patience
  })
  const { results } = yield* Effect.orDie(
    Schema.decodeUnknownEffect(Export)(yield* Effect.promise(() => readFile(file, "utf8")))
  )
  return yield* Effect.forEach(contenders, (contender, i) =>
    Effect.gen(function* () {
      const seconds = results.flatMap(({ command, times }) => (command === commands[i] ? times : []))
      const notes = contender.notes === undefined ? [] : yield* readNotes(contender.notes)
      if (seconds.length !== runs || (contender.notes !== undefined && notes.length !== runs))
        return yield* new WrongResult({
          command: contender.name,
          detail: `${seconds.length} times and ${notes.length} notes of ${runs} runs`
        })
      const measured: Measured = { contender, seconds, notes }
      return measured
    })
  )
})
