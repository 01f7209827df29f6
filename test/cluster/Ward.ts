/**
 * Takes this process's clusters down when it ends without having done so: by process.exit, a signal, a crash, SIGKILL.
 *
 * A shell waits until the kernel closes its standard input, which it does when this process ends, and then runs the sweep.
 */

import { spawn } from "node:child_process"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { self, signalGroup } from "./Processes.ts"

const script = 'cat >/dev/null; exec "$@"'

/** Watches over this process as long as the scope is open. */
export const ward = Effect.acquireRelease(
  Effect.map(self, ({ pid, startTime }) => {
    const sweep = [process.execPath, join(import.meta.dirname, "main.ts"), "sweep", "--after", `${pid}/${startTime}`]
    // In a session of its own, which Ctrl-C does not reach.
    const shell = spawn("sh", ["-c", script, "sh", ...sweep], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/"
    })
    shell.unref()
    // A machine without processes to spare has no cluster either: that error is the one to tell.
    shell.on("error", () => undefined)
    return shell
  }),
  ({ pid }) => Effect.sync(() => pid !== undefined && signalGroup(pid, "SIGKILL"))
)
