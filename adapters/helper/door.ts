/**
 * What leads a caller onto the agents' network: an exec in an agent's container, which tells the agents' key, connects to
 * where the caller says, and passes bytes on. Whoever may start it may read the key as well. A program of its own, as every
 * command by an agent waits for it to start.
 */
import { readFileSync, writeSync } from "node:fs"
import { agentKeyPath } from "../../src/agent/AgentProtocol.ts"
import { passOn } from "./PassOn.ts"

/** The other agent may have just been started. In milliseconds. */
const patience = 2000

const failed = ({ message }: Error) => {
  writeSync(2, `agent: ${message}\n`)
  process.exitCode = 1
}

/** The key, or why there is none. */
const readKey = (): string | undefined => {
  try {
    return readFileSync(agentKeyPath, "utf8").trim()
  } catch (error) {
    failed(error instanceof Error ? error : new Error(String(error)))
    return undefined
  }
}

const key = readKey()
if (key !== undefined) {
  passOn({ greeting: `${key}\n`, patience }, (error) => {
    if (error !== undefined) failed(error)
  })
}
