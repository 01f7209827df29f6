/** The command line of the chaos suite. */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type FaultName, faultNames } from "./Plan.ts"
import { shortForm, shortSeed } from "./ShortForm.ts"

/** What `--help` prints. */
export const usage = `Usage: npm run chaos -- [--runs N] [--seed S] [--from N] [--only FAULT[+FAULT]] [--short] [--minutes M]

Runs commands, fan-outs and copies on a swarm of six nodes on this machine while something breaks, and checks what is promised:
started at most once, ended in time, nothing left behind, success only with proof. After ten runs without agents come ten with
an agent on every node: what happens to helpers happens then to the agent of the target's node ("kill") and to that of the
caller's ("remove"). The swarm is brought up for it, and taken down. Needs what \`npm run build\` makes. Exit code 1 if a
promise was broken.

  --runs N       number of runs (default 20)
  --seed S       what all chance comes from (default: another one each time; it is printed)
  --from N       number of the first run: with --seed and --runs 1 it does one run again
  --only FAULT   nothing else happens: ${faultNames.slice(0, 7).join(", ")},
                 ${faultNames.slice(7).join(", ")}; two at once with a + between
  --short        the fixed runs of \`npm test\`, ${shortForm.length} of them, in place of random ones
  --minutes M    no new run begins after it
  --help         this text`

/** The command line makes no sense. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}\n\n${usage}`
  }
}

/** What to do. */
export interface Options {
  readonly help: boolean
  readonly runs: number
  readonly seed: number | undefined
  /** Number of the first run. */
  readonly from: number
  /** Empty: whatever is drawn. */
  readonly only: ReadonlyArray<FaultName>
  readonly short: boolean
  /** Milliseconds after which no new run begins. */
  readonly atMost: number
}

const whole = (name: string, text: string, most: number): Effect.Effect<number, WrongUsage> => {
  const value = Number(text)
  return Number.isInteger(value) && value >= 1 && value <= most
    ? Effect.succeed(value)
    : Effect.fail(new WrongUsage({ detail: `--${name} takes a number from 1 to ${most}, not ${JSON.stringify(text)}` }))
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
          short: { type: "boolean", default: false },
          minutes: { type: "string", default: "100000" },
          help: { type: "boolean", short: "h", default: false }
        }
      }),
    catch: (error) => new WrongUsage({ detail: error instanceof Error ? error.message : String(error) })
  })
  const { short } = values
  const words = values.only?.split("+") ?? []
  const only = words.flatMap((word) => faultNames.find((name) => name === word) ?? [])
  if (only.length < words.length || only.length > 2) {
    return yield* new WrongUsage({ detail: `--only ${values.only}: use one or two of ${faultNames.join(", ")}` })
  }
  if (short && only.length > 0) return yield* new WrongUsage({ detail: "--only can't be used with --short" })
  const from = yield* whole("from", values.from, short ? shortForm.length : 100_000)
  const most = short ? shortForm.length + 1 - from : 100_000
  return {
    help: values.help,
    runs: yield* whole("runs", values.runs ?? String(short ? most : 20), most),
    seed: values.seed === undefined ? (short ? shortSeed : undefined) : yield* whole("seed", values.seed, 2 ** 31),
    from,
    only,
    short,
    atMost: 60_000 * (yield* whole("minutes", values.minutes, 100_000))
  }
})
