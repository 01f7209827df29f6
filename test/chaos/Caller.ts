/** A built program, started as a process that is watched, and that ends with its scope. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** How the caller ended. */
export interface CallerEnd {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A caller. */
export interface Caller {
  readonly send: (signal: NodeJS.Signals) => void
  /** Done when it has ended and all that it said was read. */
  readonly ended: Effect.Effect<CallerEnd>
  /** What it said so far. */
  readonly stdout: () => Buffer
  /** What it said so far. */
  readonly stderr: () => string
}

/** Starts a caller in a process group of its own, so that Ctrl-C is not for it; killed when the scope closes. */
export const startCaller = Effect.fnUntraced(function* (
  argv: readonly [string, ...ReadonlyArray<string>],
  env: Readonly<Record<string, string>>
) {
  const end = yield* Deferred.make<CallerEnd>()
  const stdout: Array<Buffer> = []
  const stderr: Array<Buffer> = []
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const [file, ...args] = argv
      const started = spawn(file, args, {
        env: { ...env },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
        cwd: "/"
      })
      started.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
      started.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
      started.once("close", (code, signal) => Deferred.doneUnsafe(end, Effect.succeed({ code, signal })))
      return started
    }),
    (started) =>
      Effect.promise(async () => {
        if (started.exitCode !== null || started.signalCode !== null) return
        started.kill("SIGKILL")
        await once(started, "exit")
      })
  )
  const caller: Caller = {
    send: (signal) => void child.kill(signal),
    ended: Deferred.await(end),
    stdout: () => Buffer.concat(stdout),
    stderr: () => Buffer.concat(stderr).toString()
  }
  return caller
})
