/** A process of this program that acts only when its caller has ended. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { Socket } from "node:net"
import * as Effect from "effect/Effect"
import { ownCommand, ownFile } from "../OwnProgram.ts"

/**
 * The shell collects the lines of its stdin. When stdin ends, it becomes the program, with the lines as its last arguments. The line `done`
 * ends it.
 */
const script = 'while read -r line; do [ "$line" = done ] && exit 0; set -- "$@" "$line"; done; exec "$0" "$@"'

/** A waiting guard process. */
export interface GuardProcess {
  /** Adds an argument of the program. */
  readonly send: (argument: string) => void
  /** Ends the process. With `false`, makes it act at once. */
  readonly close: (isReleased: boolean) => Effect.Effect<void>
}

/**
 * Starts the process: a shell of 1 MB in a session of its own, which signals to a terminal or a process group do not reach. Returns
 * `undefined` without a shell or the program. `env` is added to this process's environment.
 */
export const startGuardProcess = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<GuardProcess | undefined> =>
  Effect.callback((resume) => {
    if (!existsSync(ownFile())) return resume(Effect.succeed(undefined))
    const [first, ...own] = ownCommand()
    const child = spawn("/bin/sh", ["-c", script, first, ...own, ...args], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: "/",
      env: { ...process.env, ...env }
    })
    child.once("error", () => resume(Effect.succeed(undefined)))
    child.once("spawn", () => resume(Effect.succeed(guardOf(child))))
    // The guard may have been killed: then a write fails.
    child.stdin?.on("error", () => undefined)
    child.unref()
    if (child.stdin instanceof Socket) child.stdin.unref()
  })

const guardOf = ({ stdin }: ChildProcess): GuardProcess => ({
  send: (argument) => {
    if (stdin?.writable === true) stdin.write(`${argument}\n`)
  },
  close: (isReleased) =>
    Effect.callback((resume) => {
      if (stdin == null || stdin.writableEnded || stdin.destroyed) return resume(Effect.void)
      stdin.end(isReleased ? "done\n" : "", () => resume(Effect.void))
    })
})
