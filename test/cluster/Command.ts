/** Runs tools of the machine (`ip`, `mount`, `apt-get`, …). */

import { execFile, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A tool did not start, or did not exit with 0. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  /** The command line, as one would type it. */
  command: Schema.String,
  /** Exit code. Null if the tool did not start, was killed, or timed out. */
  exitCode: Schema.NullOr(Schema.Int),
  /** Its error output, or the reason why it did not start. */
  detail: Schema.String
}) {
  override get message(): string {
    const code = this.exitCode === null ? "did not finish" : `ended with ${this.exitCode}`
    return `\`${this.command}\` ${code}: ${this.detail.trim() || "it said nothing"}`
  }
}

/** Options of a tool's run. */
export interface CommandOptions {
  /** Its stdin. */
  readonly input?: string
  /** Replaces this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Its working directory. Default: the root. */
  readonly cwd?: string
  /** Timeout in milliseconds. Default: 30,000. */
  readonly timeout?: number
}

/** The folders of system tools, which the PATH of a plain user may lack. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * Runs a tool to its end. Returns its stdout.
 *
 * **Details**: the tool is killed at its timeout, and when the calling fiber is interrupted.
 */
export const run = (
  file: string,
  args: ReadonlyArray<string>,
  options: CommandOptions = {}
): Effect.Effect<string, CommandFailed> =>
  Effect.callback((resume, signal) => {
    const timeout = options.timeout ?? 30_000
    const command = [file, ...args].join(" ")
    const env = options.env ?? { ...process.env, PATH: `${process.env.PATH ?? ""}:${systemPath}`, LC_ALL: "C" }
    const child = execFile(
      file,
      args,
      { cwd: options.cwd ?? "/", env, timeout, killSignal: "SIGKILL", maxBuffer: 64 * 1024 * 1024, signal },
      (error, stdout, stderr) => {
        if (error === null) return resume(Effect.succeed(stdout))
        const exitCode = typeof error.code === "number" ? error.code : null
        const late = error.killed === true ? `killed after ${timeout} ms. ` : ""
        const detail = late + (exitCode === null && !stderr ? error.message : stderr)
        resume(Effect.fail(new CommandFailed({ command, exitCode, detail })))
      }
    )
    // A tool may close its input early. Its exit code tells whether it failed.
    child.stdin?.on("error", () => undefined)
    child.stdin?.end(options.input ?? "")
  })

/** Starts a tool that outlives this process. Appends its output to a file. Returns its process ID. */
export const runDetached = (
  file: string,
  args: ReadonlyArray<string>,
  options: { readonly log: string; readonly env: Readonly<Record<string, string>> }
): Effect.Effect<number, CommandFailed> =>
  Effect.callback((resume) => {
    const fail = (error: Error) =>
      resume(
        Effect.fail(new CommandFailed({ command: [file, ...args].join(" "), exitCode: null, detail: error.message }))
      )
    const log = openSync(options.log, "a")
    const child = spawn(file, args, { detached: true, stdio: ["ignore", log, log], cwd: "/", env: options.env })
    closeSync(log)
    child.once("error", fail)
    child.once("spawn", () => {
      child.unref()
      if (child.pid === undefined) fail(new Error("it has no process ID"))
      else resume(Effect.succeed(child.pid))
    })
  })
