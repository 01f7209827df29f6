/** A built program that runs as a watched process until its scope closes. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { nsenterArgs, type Started, signalInside } from "../cluster/Machine.ts"
import type { ClusterNode } from "../cluster/SwarmCluster.ts"

/** How the caller ended. */
export interface CallerEnd {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** For a caller on a terminal: whether the terminal has the settings that it had before the caller. */
  readonly terminal?: "restored" | "changed"
}

/** A caller. */
export interface Caller {
  /** Process ID of the started program. `undefined` if it did not start. */
  readonly pid: number | undefined
  readonly send: (signal: NodeJS.Signals) => void
  /** Completes when the caller has ended and all its output was read. */
  readonly ended: Effect.Effect<CallerEnd>
  /** Its output so far. */
  readonly stdout: () => Buffer
  /** Its stderr so far. */
  readonly stderr: () => string
}

/** Starts a program with its whole environment, `on` a node's machine or on this one. It is killed when the scope closes. */
export type StartCaller = (
  argv: readonly [string, ...ReadonlyArray<string>],
  env: Readonly<Record<string, string>>,
  on?: ClusterNode
) => Effect.Effect<Caller, never, Scope.Scope>

/**
 * Starts a caller in its own process group, so that Ctrl-C in the terminal does not reach it.
 */
export const startCaller: StartCaller = Effect.fnUntraced(function* (argv, env, on) {
  const end = yield* Deferred.make<CallerEnd>()
  const stdout: Array<Buffer> = []
  const stderr: Array<Buffer> = []
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const [file = "", ...args] = on === undefined ? argv : [...nsenterArgs(on.pid), ...argv]
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

/** With `on`, the signal is for the program on that machine. */
export const signalTo =
  (started: Started, on: ClusterNode | undefined) =>
  (signal: NodeJS.Signals): void => {
    if (on === undefined) started.kill(signal)
    else signalInside(started, signal)
  }

/** The whole environment of a caller: an engine and our image. */
export const callerEnv = (dockerHost: string, image: string): Readonly<Record<string, string>> => ({
  PATH: process.env.PATH ?? "",
  HOME: "/",
  DOCKER_HOST: dockerHost,
  TASK_EXEC_IMAGE: image
})
