/** A guard in a process of its own on this machine, which survives its caller. */

import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { imageCommands } from "../../ImageCommands.ts"
import { GuardRequest, release, type Watch } from "../GuardProtocol.ts"
import { ownCommand, ownFile } from "../OwnProgram.ts"

/** The shell waits for a line; should its stdin end without one it becomes the program that ends the run. */
const script = 'read -r line && exit 0; exec "$0" "$@"'

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(GuardRequest))

/**
 * `undefined` where there is no shell or no program. The guard is in a session of its own: what a terminal or a process
 * group is sent does not reach it. It knows of no time limit: its caller is on the same machine.
 */
export const watchFromProcess = Effect.fnUntraced(function* ({ runs }: GuardRequest) {
  if (!existsSync(ownFile())) return undefined
  let mustAct = false
  const guard = yield* Effect.acquireRelease(
    start([...ownCommand(), imageCommands.guard, encodeRequest({ runs })]),
    // Without a word it takes its caller for gone.
    (guard) => Effect.suspend(() => letGo(guard, mustAct ? "" : release))
  )
  if (guard === undefined) return undefined
  const takeOver = Effect.sync(() => {
    mustAct = true
  })
  return {
    confirm: Effect.succeed(true),
    takeOver,
    letGo: Effect.as(letGo(guard, release), true)
  } satisfies Watch
})

const start = ([first, ...args]: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.callback<ChildProcess | undefined>((resume) => {
    const child = spawn("/bin/sh", ["-c", script, first, ...args], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: "/"
    })
    child.once("error", () => resume(Effect.succeed(undefined)))
    child.once("spawn", () => resume(Effect.succeed(child)))
    // A guard that somebody ended is told nothing any more.
    child.stdin?.on("error", () => undefined)
    child.unref()
  })

const letGo = (guard: ChildProcess | undefined, word: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (guard?.stdin == null || guard.stdin.writableEnded) return resume(Effect.void)
    guard.stdin.end(word, () => resume(Effect.void))
  })
