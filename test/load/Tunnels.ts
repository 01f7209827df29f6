/** Commands with a tunnel: many at once, and one after the other right after the agents' network was removed. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { summarize } from "../../bench/Statistics.ts"
import { earlyInputLimit } from "../../src/node/EarlyInput.ts"
import { type LoadStage, pick } from "./LoadStage.ts"

/** One command with a tunnel. */
export interface TunnelRun {
  readonly millis: number
  /** Empty if it succeeded. */
  readonly failure: string
}

/** More than a request can hold, so it needs a tunnel. */
const input = { line: "hi", times: earlyInputLimit / 2 }

/** Sends input to `cat` on another node through a tunnel. */
export const runTunnel = Effect.fnUntraced(function* (stage: LoadStage, target: string) {
  const start = yield* Clock.currentTimeMillis
  const caller = yield* stage.start(["task-exec", "--via", "helper", "-i", target, "cat"], input)
  const { code, signal } = yield* caller.ended
  const millis = (yield* Clock.currentTimeMillis) - start
  const isRight = code === 0 && caller.stdout().toString() === `${input.line}\n`.repeat(input.times)
  const run: TunnelRun = { millis, failure: isRight ? "" : `${code ?? signal}: ${caller.stderr().trim()}` }
  return run
}, Effect.scoped)

const many = (stage: LoadStage, runs: number, atOnce: number) =>
  Effect.forEach(
    Array.from({ length: runs }, (_, at) => at),
    () => runTunnel(stage, pick(stage.remote, Math.random)),
    { concurrency: atOnce }
  )

/** Runs this number at the same time. */
export const tunnelsAtOnce = (stage: LoadStage, count: number) => many(stage, count, count)

/** Runs this number in turn, each after agents were deployed and removed. */
export const tunnelsAfterAgents = Effect.fnUntraced(function* (stage: LoadStage, count: number) {
  for (const verb of ["up", "down"] as const) {
    const { code } = yield* Effect.scoped(
      Effect.flatMap(stage.start(["task-exec", "agent", verb]), ({ ended }) => ended)
    )
    if (code !== 0) return [{ millis: 0, failure: `agent ${verb} ended with ${code}` }]
  }
  return yield* many(stage, count, 1)
})

/** `20 at once: median 4.1 s, longest 5.0 s (1.2 × the median), 0 failed`. */
export const describeRuns = (what: string, runs: ReadonlyArray<TunnelRun>): ReadonlyArray<string> => {
  const { max, median } = summarize(runs.map(({ millis }) => millis / 1000))
  const failures = runs.flatMap(({ failure }) => (failure === "" ? [] : [failure]))
  return [
    `${what}: median ${median.toFixed(2)} s, longest ${max.toFixed(2)} s (${(max / median).toFixed(2)} × the median), ${failures.length} failed`,
    ...failures.map((failure) => `  ${failure}`)
  ]
}
