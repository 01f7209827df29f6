/** Observes in this machine's /proc when processes of a run are alive. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { signal, withVariable } from "../cluster/Processes.ts"

/** Environment variable of a run's command, which its child processes inherit. It is independent of task-exec's own mark. */
export const runVariable = "CHAOS_RUN"

/** The observations so far. Times are Unix times in milliseconds. */
export interface ProcessWatch {
  /** When a process was first observed. */
  readonly firstSeen: () => number | undefined
  /** When a process was last observed. */
  readonly lastSeen: () => number | undefined
  /** Looks for processes. Returns descriptions of those that are alive. */
  readonly look: Effect.Effect<ReadonlyArray<string>>
  /** Kills the processes that are alive. */
  readonly kill: Effect.Effect<void>
}

/** Looks three times per second until the scope closes. */
export const watchProcesses = Effect.fnUntraced(function* (token: string) {
  let first: number | undefined
  let last: number | undefined
  const alive = Effect.map(withVariable(runVariable), (hits) => hits.filter(({ value }) => value === token))
  const look = Effect.gen(function* () {
    const found = yield* alive
    const now = yield* Clock.currentTimeMillis
    if (found.length > 0) {
      first ??= now
      last = now
    }
    return found.map(({ name, pid }) => `${pid} (${name})`)
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, Effect.sleep(330))))
  const watch: ProcessWatch = {
    firstSeen: () => first,
    lastSeen: () => last,
    look,
    kill: Effect.flatMap(alive, (found) =>
      Effect.forEach(found, ({ pid }) => signal(pid, "SIGKILL"), { discard: true })
    )
  }
  return watch
})
