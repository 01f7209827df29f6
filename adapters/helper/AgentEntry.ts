/**
 * The entry to the agents' network: a process in an agent's container that connects to the address from the caller and forwards bytes. It
 * has no key: TLS ends at the caller and at the other agent. It is a separate program because each command through an agent waits for its
 * start.
 */
import { writeSync } from "node:fs"
import { agentDialTimeout } from "./dial.ts"
import { passOn } from "./PassOn.ts"

passOn({ retryFor: agentDialTimeout }, (error) => {
  if (error === undefined) return
  writeSync(2, `agent: ${error.message}\n`)
  process.exitCode = 1
})
