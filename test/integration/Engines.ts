/**
 * `npm run test:engines -- [ENGINE...] [FILE...]`: runs the tests on a real swarm on several engines (`NewerEngine.ts`), one after the
 * other. Default: all engines, all files. Exits with 1 if a test fails.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { constants } from "node:os"
import { engineVariable, engineVersions } from "../cluster/NewerEngine.ts"
import { clusterVariable } from "../cluster/SwarmCluster.ts"

const words = process.argv.slice(2)
const named = engineVersions.filter((version) => words.includes(version))
const files = words.filter((word) => !engineVersions.includes(word))

/** A running swarm has its own engine, so it is not used. */
const { [clusterVariable]: _, ...env } = process.env

/** The signal that ends this program. It is forwarded, as it may have been sent to this process only. */
let received: "SIGINT" | "SIGTERM" | undefined
let pass: ((signal: NodeJS.Signals) => void) | undefined
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    received ??= signal
    pass?.(signal)
  })

const failed: Array<string> = []
for (const version of named.length === 0 ? engineVersions : named) {
  if (received !== undefined) break
  console.log(`\nengine ${version}`)
  const vitest = spawn("vitest", ["run", "--project", "integration", ...files], {
    stdio: "inherit",
    env: { ...env, [engineVariable]: version }
  })
  pass = (signal) => void vitest.kill(signal)
  const [code] = await once(vitest, "exit")
  if (code !== 0) failed.push(version)
}
if (received !== undefined) process.exitCode = 128 + constants.signals[received]
else {
  console.log(failed.length === 0 ? "\nall engines: passed" : `\nfailed on engine ${failed.join(", ")}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
