/** The names that callers, agents and `task-exec agent` share. */
import { agentLabel } from "../Labels.ts"

/** The name of the agents' service. The names of their network and of the config with the callers' keys begin with it. */
export const agentService = "task-exec-agent"

/** Labels of an agent's service and containers. */
export const agentLabels = {
  /** The agents' version of task-exec. */
  version: agentLabel,
  /** The version of the wire protocol. */
  protocol: "task-exec.agent.protocol",
  /** The reference of the image. */
  image: "task-exec.agent.image",
  /**
   * The public half of the callers' key pair. The config with the private half has this label, too. In version 0.1.0, its value is the name
   * of a secret.
   */
  key: "task-exec.agent.key",
  /** The name of the agents' network. */
  network: "task-exec.agent.network"
} as const

/** The only directory in which an agent can write. It is a tmpfs. */
export const agentFolder = "/run/task-exec"

/**
 * The socket of an entry agent, for callers that can open its files. A caller first sends the address of the target agent as a line, as to
 * a relay. The entry agent responds with an empty line when it is connected, or with a line that says why it is not.
 */
export const agentSocket = `${agentFolder}/entry`

/** The program that connects to the target agent for callers that can't open the socket, as a process in the entry agent's container. */
export const agentEntry = ["node", "--", "/opt/task-exec/agent-entry.cjs"] as const

/** The channel of a caller's request. It is the last channel, which no command uses. */
export const requestChannel = 0xffff
