/** Callers that are killed with `kill -9`, and their guards. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { leftovers } from "../cluster/Leftovers.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { withVariable } from "../cluster/Processes.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { type ProcessOptions, program } from "./Harness.ts"

/** Identifies a caller. A guard inherits this variable with its caller's environment. */
export const callerVariable = "TASK_EXEC_TEST_CALLER"

/** The guard processes of this caller. */
export const guardsOf = (name: string) =>
  Effect.map(withVariable(callerVariable), (found) => found.filter((one) => one.value === name && one.name === "sh"))

/** Waits until no object and no process of task-exec is left, as after the work of a guard. */
export const untilNothingLeft = Effect.flatMap(SwarmCluster, (cluster) => {
  const left = leftovers(cluster, { timeout: 0 })
  return pollUntil(
    Effect.map(left, (items) => items.length === 0),
    { every: 500, atMost: 90_000, orElse: Effect.flatMap(left, (items) => Effect.die(items.join("\n"))) }
  )
})

/** Options for killing a caller. */
export interface KillOptions extends ProcessOptions {
  /** The name of the caller, which its guards inherit. */
  readonly name: string
  /** Kill its guard first, as the end of a systemd unit does. */
  readonly withGuard?: boolean
  /** Whether the caller's output so far shows that its work has begun. */
  readonly isUnderWay: (output: string) => boolean
  /** Runs just before the kill. */
  readonly before?: Effect.Effect<void>
}

/** Kills a caller as soon as its objects have a guard and its work has begun. */
export const killCaller = Effect.fnUntraced(function* (
  file: string,
  args: ReadonlyArray<string>,
  { before = Effect.void, isUnderWay, name, withGuard = false, ...options }: KillOptions
) {
  const { manager } = yield* SwarmCluster
  const underWay = Latch.makeUnsafe(false)
  const caller: { kill: ((signal: NodeJS.Signals) => void) | undefined } = { kill: undefined }
  const kill = Effect.gen(function* () {
    yield* underWay.await
    yield* pollUntil(
      Effect.map(guardsOf(name), (guards) => guards.length > 0),
      { every: 50, atMost: 120_000, orElse: Effect.die("its objects have no guard") }
    )
    yield* before
    if (withGuard) for (const { pid } of yield* guardsOf(name)) process.kill(pid, "SIGKILL")
    caller.kill?.("SIGKILL")
  })
  const run = program(file, args, {
    ...options,
    env: { DOCKER_HOST: manager.dockerHost, ...options.env, [callerVariable]: name },
    onStart: (how) => {
      caller.kill = how
    },
    onOutput: (output) => isUnderWay(output) && Latch.openUnsafe(underWay)
  })
  const [result] = yield* Effect.all([run, kill], { concurrency: 2 })
  assert.deepStrictEqual([result.code, result.signal], [null, "SIGKILL"], result.stderr)
})
