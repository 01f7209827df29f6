/** A process of our own program beside the caller, which acts only when the caller is gone. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { Socket } from "node:net"
import * as Effect from "effect/Effect"
import { ownCommand, ownFile } from "../OwnProgram.ts"

/**
 * The shell collects the lines that come in, and becomes the program, with them as its last arguments, when its stdin ends. The line
 * `done` lets it go.
 */
const script = 'while read -r line; do [ "$line" = done ] && exit 0; set -- "$@" "$line"; done; exec "$0" "$@"'

/** One that waits. */
export interface GuardProcess {
  /** Adds an argument to those of the program. */
  readonly tell: (argument: string) => void
  /** Ends it; or, with `false`, has it act at once. */
  readonly letGo: (isReleased: boolean) => Effect.Effect<void>
}

/**
 * Starts it: a shell of 1 MB, in a session of its own, so what a terminal or a process group is sent does not reach it. `undefined`
 * where there is no shell or no program. `env` comes on top of this process's environment.
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
  tell: (argument) => {
    if (stdin?.writable === true) stdin.write(`${argument}\n`)
  },
  letGo: (isReleased) =>
    Effect.callback((resume) => {
      if (stdin == null || stdin.writableEnded || stdin.destroyed) return resume(Effect.void)
      stdin.end(isReleased ? "done\n" : "", () => resume(Effect.void))
    })
})
