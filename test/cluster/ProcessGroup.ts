/** Runs programs in process groups of their own, so that none of their processes outlives the calling fiber. */

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CommandFailed } from "./Command.ts"
import { pollUntil } from "./Poll.ts"
import { signalGroup } from "./Processes.ts"

/** Options of a program. */
export interface GroupOptions {
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>
  /** Timeout in milliseconds. */
  readonly timeout: number
}

/** The result of a program that exited with 0. */
export interface Finished {
  /** Number of bytes on stdout. */
  readonly bytes: number
  /** Its stderr. */
  readonly stderr: string
}

/** How long a group may take to clean up before it is killed, in milliseconds. */
const grace = 60_000

/** Sends SIGTERM to every process of the group. Kills those that do not end. */
const endGroup = ({ pid }: ChildProcess): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (pid === undefined || !signalGroup(pid, "SIGTERM")) return Effect.void
    return pollUntil(
      Effect.sync(() => !signalGroup(pid, 0)),
      { atMost: grace, orElse: Effect.die(`process group ${pid} did not end in ${grace} ms, and was killed`) }
    ).pipe(Effect.onError(() => Effect.sync(() => signalGroup(pid, "SIGKILL"))))
  })

const spawnGroup = ([file = "", ...args]: ReadonlyArray<string>, options: SpawnOptions) =>
  spawn(file, args, { ...options, cwd: "/", detached: true })

/** Runs a program. Fails unless it exits with 0. Its whole group ends with the calling fiber. */
export const runGroup = (argv: ReadonlyArray<string>, options: GroupOptions): Effect.Effect<Finished, CommandFailed> =>
  Effect.callback<Finished, CommandFailed>((resume) => {
    const command = argv.join(" ")
    const child = spawnGroup(argv, { env: options.env, stdio: ["ignore", "pipe", "pipe"] })
    const stderr: Array<Buffer> = []
    let bytes = 0
    child.stdout?.on("data", (chunk: Buffer) => {
      bytes += chunk.length
    })
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk))
    child.once("error", ({ message }) =>
      resume(Effect.fail(new CommandFailed({ command, exitCode: null, detail: message })))
    )
    child.once("close", (exitCode, signal) => {
      const text = Buffer.concat(stderr).toString()
      const detail = signal === null ? text : `killed by ${signal}. ${text}`
      resume(
        exitCode === 0
          ? Effect.succeed({ bytes, stderr: text })
          : Effect.fail(new CommandFailed({ command, exitCode, detail }))
      )
    })
    return endGroup(child)
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.timeout,
      orElse: () =>
        Effect.fail(
          new CommandFailed({
            command: argv.join(" "),
            exitCode: null,
            detail: `it was ended after ${options.timeout / 1000} s`
          })
        )
    })
  )

/** Starts a program that runs until the scope closes. */
export const startGroup = (
  argv: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<void, CommandFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess, CommandFailed>((resume) => {
      const child = spawnGroup(argv, { env, stdio: "ignore" })
      child.once("spawn", () => resume(Effect.succeed(child)))
      child.once("error", ({ message }) =>
        resume(Effect.fail(new CommandFailed({ command: argv.join(" "), exitCode: null, detail: message })))
      )
    }),
    endGroup
  ).pipe(Effect.asVoid)
