import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, stretched, Web } from "./Harness.ts"

checkLeftovers()

const bundle = join(import.meta.dirname, "..", "..", "dist", "task-exec.cjs")

/** Runs a command line as a user who may open the engine's socket (and read this folder), and tells its exit code. */
const script = `
exec 2>&1
setpriv --reuid=1234 --regid=1234 --groups="$(stat -c %g /run/docker.sock)" \\
  --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search -- "$@"
echo "exit code $?"`

layer(Web.layer("killing"), { excludeTestServices: true, timeout: "180 seconds" })(
  "on the engine's own machine",
  (it) => {
    it.effect("the engine kills for a user of the docker group, who cannot signal the processes", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const web = yield* Web
        const env = ["env", "DOCKER_HOST=unix:///run/docker.sock", `TASK_EXEC_IMAGE=${process.env.TASK_EXEC_IMAGE}`]
        const seconds = stretched(3)
        const exec = [process.execPath, bundle, "--timeout", `${seconds}`, "--grace", "200ms", web.target(web.local)]
        const command = ["sh", "-c", "trap '' TERM; id -u; setsid sleep 4321 & exec sleep 4321"]
        assert.strictEqual(
          yield* manager.exec(["sh", "-c", script, "sh", ...env, ...exec, ...command]),
          `0\ntask-exec: timed out after ${seconds} s; the command and all its child processes were killed\nexit code 124\n`
        )
      })
    )
  }
)
