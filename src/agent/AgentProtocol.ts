/** What callers, agents and `swarm-exec agent` have to agree on. */
import { agentLabel } from "../Labels.ts"

/** The name of the agents' service; those of their network and their key begin so. */
export const agentService = "task-exec-agent"

/** Labels of an agent's service and containers. */
export const agentLabels = {
  /** The version of task-exec that the agents are of. */
  version: agentLabel,
  /** The version of the wire protocol that they speak. */
  protocol: "task-exec.agent.protocol",
  /** The reference of their image. */
  image: "task-exec.agent.image",
  /** The name of the secret with their key. */
  key: "task-exec.agent.key",
  /** The name of the network that they are on. */
  network: "task-exec.agent.network"
} as const

/** The file name of the secret with the key, in base64. */
export const agentKeyFile = "task-exec-agent-key"

/** Where an agent finds it. */
export const agentKeyPath = `/run/secrets/${agentKeyFile}`

/** A folder in memory, the only one in which an agent can make something. */
export const agentFolder = "/run/task-exec"

/**
 * Where an agent listens for those who reach its files, and leads them to the agent of another node: they say which with a
 * relay's line, and are answered with a line that is empty, or says why not.
 */
export const agentSocket = `${agentFolder}/door`

/** The program of our image that does the same for all others, as a process in an agent's container. */
export const agentDoor = ["node", "--", "/opt/task-exec/agent-door.cjs"] as const

/** The channel over which a caller's request goes: the last one, which no command has. */
export const requestChannel = 0xffff

/** A command's environment says which agent started it: the beginning of the ID of the agent's container. */
export const agentVariable = "TASK_EXEC_AGENT"
