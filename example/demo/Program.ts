/** Runs a built program the way a user would. */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import * as Effect from "effect/Effect"

const root = join(import.meta.dirname, "../..")

/** How a program ended, and what it wrote. */
export interface Ended {
  /** Null if a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: Buffer
  readonly stderr: Buffer
  readonly milliseconds: number
}

/** How a program is to be run. */
export interface ProgramOptions {
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>
  /** On standard input. */
  readonly input?: string
}

/** Runs one of the project's files with Node to its end. Interruption lets it clean up, and waits for that. */
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
    // A program need not read its input.
    child.stdin.on("error", () => undefined)
    child.stdin.end(options.input ?? "")
    child.once("error", (error) => resume(Effect.fail(error)))
    child.once("close", (exitCode) =>
      resume(
        Effect.succeed({
          exitCode,
          stdout: Buffer.concat(stdout),
          stderr: Buffer.concat(stderr),
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
