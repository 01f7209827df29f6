/** A built program, started as a process that is watched, and that ends with its scope. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { entrance, signalEntered } from "../cluster/Machine.ts"
import type { ClusterNode } from "../cluster/SwarmCluster.ts"

/** How the caller ended. */
export interface CallerEnd {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A caller. */
export interface Caller {
  /** Of the process that was started; undefined if none was. */
  readonly pid: number | undefined
  readonly send: (signal: NodeJS.Signals) => void
  /** Done when it has ended and all that it said was read. */
  readonly ended: Effect.Effect<CallerEnd>
  /** What it said so far. */
  readonly stdout: () => Buffer
  /** What it said so far. */
  readonly stderr: () => string
}

/**
 * Starts a caller in a process group of its own, so that Ctrl-C is not for it; killed when the scope closes. `on`: a machine of the
 * swarm on which it is to run.
 */
export const startCaller = Effect.fnUntraced(function* (
  argv: readonly [string, ...ReadonlyArray<string>],
  env: Readonly<Record<string, string>>,
  on?: ClusterNode
) {
  const end = yield* Deferred.make<CallerEnd>()
  const stdout: Array<Buffer> = []
  const stderr: Array<Buffer> = []
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const [file = "", ...args] = on === undefined ? argv : [...entrance(on.pid), ...argv]
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
        signalTo(started, on)("SIGKILL")
        await once(started, "exit")
      })
  )
  const caller: Caller = {
    pid: child.pid,
    send: signalTo(child, on),
    ended: Deferred.await(end),
    stdout: () => Buffer.concat(stdout),
    stderr: () => Buffer.concat(stderr).toString()
  }
  return caller
})

/** `on`: it is the program on that machine that is meant. */
const signalTo =
  (started: ChildProcess, on: ClusterNode | undefined) =>
  (signal: NodeJS.Signals): void => {
    if (on === undefined) started.kill(signal)
    else signalEntered(started, signal)
  }

/** All of a caller's environment: an engine, and our image. */
export const callerEnv = (dockerHost: string, image: string): Readonly<Record<string, string>> => ({
  PATH: process.env.PATH ?? "",
  HOME: "/",
  DOCKER_HOST: dockerHost,
  TASK_EXEC_IMAGE: image
})
