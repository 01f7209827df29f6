/**
 * `npm run test:engines -- [ENGINE...] [FILE...]`: the tests on a real swarm, on each of the engines (`NewerEngine.ts`) one
 * after the other; of all of them unless some are named, and all files unless some are. It ends with 1 if any test fails.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { constants } from "node:os"
import { engineVariable, engineVersions } from "../cluster/NewerEngine.ts"
import { clusterVariable } from "../cluster/SwarmCluster.ts"

const words = process.argv.slice(2)
const named = engineVersions.filter((version) => words.includes(version))
const files = words.filter((word) => !engineVersions.includes(word))

/** A swarm that is up has an engine already. */
const { [clusterVariable]: _, ...env } = process.env

/** The signal that ends this, which is passed on: it may be for this process only. */
let ending: "SIGINT" | "SIGTERM" | undefined
let pass: ((signal: NodeJS.Signals) => void) | undefined
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    ending ??= signal
    pass?.(signal)
  })

const failed: Array<string> = []
for (const version of named.length === 0 ? engineVersions : named) {
  if (ending !== undefined) break
  console.log(`\nengine ${version}`)
  const vitest = spawn("vitest", ["run", "--project", "integration", ...files], {
    stdio: "inherit",
    env: { ...env, [engineVariable]: version }
  })
  pass = (signal) => void vitest.kill(signal)
  const [code] = await once(vitest, "exit")
  if (code !== 0) failed.push(version)
}
if (ending !== undefined) process.exitCode = 128 + constants.signals[ending]
else {
  console.log(failed.length === 0 ? "\nall engines: passed" : `\nfailed on engine ${failed.join(", ")}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
