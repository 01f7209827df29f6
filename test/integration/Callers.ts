/** Callers that are killed with -9, and the guards of what they made. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { pollUntil } from "../cluster/Poll.ts"
import { withVariable } from "../cluster/Processes.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { type ProcessOptions, program } from "./Harness.ts"

/** A guard inherits its caller's environment, and this variable with it. */
export const callerVariable = "TASK_EXEC_TEST_CALLER"

/** The shells that wait for the end of this caller. */
export const guardsOf = (name: string) =>
  Effect.map(withVariable(callerVariable), (found) => found.filter((one) => one.value === name && one.name === "sh"))

/** How a caller is killed. */
export interface KillOptions extends ProcessOptions {
  /** What the caller is called, for its guards. */
  readonly name: string
  /** Kill its guard before it, as the end of a systemd unit does. */
  readonly withGuard?: boolean
  /** Whether what it does is under way, by its output so far. */
  readonly isUnderWay: (output: string) => boolean
  /** Done just before it is killed. */
  readonly before?: Effect.Effect<void>
}

/** Kills a caller as soon as its objects have a guard, and what it does is under way. */
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
      { every: 50, atMost: 120_000, orElse: Effect.die("nobody guards its objects") }
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
