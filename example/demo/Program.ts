/** Runs a built program as a user does. */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import * as Effect from "effect/Effect"

const root = join(import.meta.dirname, "../..")

/** A program's exit code and output. */
export interface Ended {
  /** Null if a signal ended the program. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly milliseconds: number
}

/** The environment and input of a program. */
export interface ProgramOptions {
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>
  /** Text for stdin. */
  readonly input?: string
}

/** Runs one of the project's files with Node. On interruption, it sends SIGTERM and waits for the program's end. */
export const runProgram = (
  file: string,
  args: ReadonlyArray<string>,
  options: ProgramOptions
): Effect.Effect<Ended, Error> =>
  Effect.callback((resume) => {
    const started = performance.now()
    const child = spawn(process.execPath, [join(root, file), ...args], { env: { ...process.env, ...options.env } })
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
    // The program may exit without reading its input.
    child.stdin.on("error", () => undefined)
    child.stdin.end(options.input ?? "")
    child.once("error", (error) => resume(Effect.fail(error)))
    child.once("close", (exitCode) =>
      resume(
        Effect.succeed({
          exitCode,
          stdout: Buffer.concat(stdout).toString(),
          stderr: Buffer.concat(stderr).toString(),
          milliseconds: performance.now() - started
        })
      )
    )
    return Effect.promise(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill("SIGTERM")
      await once(child, "close")
    })
  })
