/** How long a keystroke takes to a command on another node and back: one byte to `cat` and its echo, one after another. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Effect from "effect/Effect"
import { compare, type Entry } from "./Comparison.ts"
import { type Contender, WrongResult } from "./Measure.ts"

/** Bytes sent before those that count, and those that count. */
const warmUpTrips = 20
const trips = 300
/** How long a start may take, in milliseconds, and one trip. */
const startPatience = 30_000
const tripPatience = 5000

/** What was measured of one way. Seconds. */
interface Trips {
  /** From the start of the program to its first echo. */
  readonly start: number
  readonly trips: ReadonlyArray<number>
}

const now = (): number => Number(process.hrtime.bigint()) / 1e9

const echo = async (child: ChildProcess, patience: number): Promise<void> => {
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error("no pipes")
  stdin.write("x")
  await once(stdout, "data", { signal: AbortSignal.timeout(patience) })
}

const run = ({ argv: [file = "", ...args], name }: Contender, env: Readonly<Record<string, string>>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => spawn(file, args, { env: { ...env }, stdio: ["pipe", "pipe", "ignore"], cwd: "/" })),
    (child) =>
      Effect.tryPromise({
        try: async (): Promise<Trips> => {
          const began = now()
          await echo(child, startPatience)
          const start = now() - began
          const all: Array<number> = []
          for (let n = 0; n < warmUpTrips + trips; n++) {
            const sent = now()
            await echo(child, tripPatience)
            if (n >= warmUpTrips) all.push(now() - sent)
          }
          return { start, trips: all }
        },
        catch: (error) => new WrongResult({ command: name, detail: String(error) })
      }),
    (child) =>
      Effect.promise(async () => {
        child.stdin?.end()
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
      })
  )

const percentile = (numbers: ReadonlyArray<number>, part: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * part))] ?? Number.NaN

/** Measures the ways in turn: the start to the first echo, and the trips. */
export const roundTripSuite = Effect.fn("Suites.roundTrips")(function* (
  contenders: ReadonlyArray<Contender>,
  options: { readonly runs: number; readonly env: Readonly<Record<string, string>> }
) {
  const seen = contenders.map((contender) => ({ contender, all: [] as Array<Trips> }))
  for (let round = 0; round < options.runs; round++) {
    for (const { all, contender } of seen) all.push(yield* run(contender, options.env))
  }
  const entries = (pick: (one: Trips) => number): ReadonlyArray<Entry> =>
    seen.map(({ all, contender }) => ({ command: contender.name, all: all.map(pick) }))
  return [
    compare(
      "Start to the first echo, another node",
      entries(({ start }) => start)
    ),
    compare(
      "Keystroke and back, another node, p50",
      entries((one) => percentile(one.trips, 0.5))
    ),
    compare(
      "Keystroke and back, another node, p99",
      entries((one) => percentile(one.trips, 0.99))
    )
  ]
})
