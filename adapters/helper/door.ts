/**
 * Leads a caller onto the agents' network: a process in an agent's container that connects to where the caller says, and passes bytes
 * on. It holds no key: TLS goes through it. A program of its own, as every command by an agent waits for it to start.
 */
import { writeSync } from "node:fs"
import { passOn } from "./PassOn.ts"

/** The other agent may have just been started. In milliseconds. */
const patience = 2000

passOn({ patience }, (error) => {
  if (error === undefined) return
  writeSync(2, `agent: ${error.message}\n`)
  process.exitCode = 1
})
