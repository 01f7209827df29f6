/** What callers, agents and `swarm-exec agent` have to agree on. */
import { agentLabel } from "../Labels.ts"

/** The name of the agents' service; the names of their network and of the config with the callers' keys begin with it. */
export const agentService = "task-exec-agent"

/** Labels of an agent's service and containers. */
export const agentLabels = {
  /** The version of task-exec that the agents are of. */
  version: agentLabel,
  /** The version of the wire protocol that they speak. */
  protocol: "task-exec.agent.protocol",
  /** The reference of their image. */
  image: "task-exec.agent.image",
  /**
   * The public half of the callers' key pair. The config with the private half has it, too; version 0.1.0 had the name of a secret
   * here.
   */
  key: "task-exec.agent.key",
  /** The name of the network that they are on. */
  network: "task-exec.agent.network"
} as const

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
