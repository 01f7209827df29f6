/**
 * Removes this process's clusters if it ends without having removed them: by process.exit, a signal, a crash or SIGKILL.
 *
 * A shell waits until the kernel closes its stdin, which happens when this process ends, and then sweeps.
 */

import { spawn } from "node:child_process"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { self, signalGroup } from "./Processes.ts"

const script = 'cat >/dev/null; exec "$@"'

/** Starts that shell, and ends it when the scope closes. */
export const sweepOnExit = Effect.acquireRelease(
  Effect.map(self, ({ pid, startTime }) => {
    const sweep = [process.execPath, join(import.meta.dirname, "main.ts"), "sweep", "--after", `${pid}/${startTime}`]
    // In a session of its own, so that Ctrl-C does not reach it.
    const shell = spawn("sh", ["-c", script, "sh", ...sweep], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/"
    })
    shell.unref()
    // On a machine that is out of processes, the error of the cluster itself is the one to report.
    shell.on("error", () => undefined)
    return shell
  }),
  ({ pid }) => Effect.sync(() => pid !== undefined && signalGroup(pid, "SIGKILL"))
)
