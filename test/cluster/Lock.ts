/** A lock for the processes of this machine that create or remove clusters. The kernel releases it when its holder ends. */

import { spawn } from "node:child_process"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { clustersDir } from "./ClusterState.ts"

/** Another process has held the lock too long. */
export class LockBusy extends Schema.TaggedError<LockBusy>()("LockBusy", {
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `another run is making or removing a swarm and holds ${this.file}: see \`fuser ${this.file}\`. ${this.detail}`
  }
}

/** How long to wait for the lock, in seconds. */
const lockTimeout = 60

/** Holds the lock until the scope closes. `flock` releases it when its stdin ends, which happens when this process ends. */
const held = (file: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly free: () => void }, LockBusy>((resume) => {
      const child = spawn(
        "flock",
        ["--no-fork", "--exclusive", "--wait", String(lockTimeout), file, "sh", "-c", "echo held; exec cat >/dev/null"],
        { stdio: ["pipe", "pipe", "ignore"], cwd: "/" }
      )
      const fail = (detail: string) => resume(Effect.fail(new LockBusy({ file, detail })))
      child.once("error", (error) => fail(error.message))
      child.once("exit", (code) => fail(`flock ended with ${code ?? "a signal"} (waited up to ${lockTimeout} s)`))
      child.stdout.once("data", () => resume(Effect.succeed({ free: () => void child.stdin.end() })))
      return Effect.sync(() => void child.kill("SIGKILL"))
    }),
    ({ free }) => Effect.sync(free)
  )

/** Runs the effect while no other process of this machine makes or removes a cluster. */
export const exclusively = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(clustersDir, (root) => Effect.scoped(Effect.andThen(held(join(root, ".lock")), effect)))
