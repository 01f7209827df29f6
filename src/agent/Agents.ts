/** The agents of a swarm, as its managers know them. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import type { Task } from "../engine/EngineSchemas.ts"
import { protocolVersion } from "../wire/Frame.ts"
import { agentLabels, agentService } from "./AgentProtocol.ts"

/** The agent of a node. */
export interface Agent {
  /** The node's ID. */
  readonly node: string
  readonly task: string
  readonly container: string
  /** On the agents' network. */
  readonly address: string
  /** The version of task-exec that it is of. */
  readonly version: string
  /** The version of the wire protocol that it speaks. */
  readonly protocol: number
}

/** There is no way by an agent. Nothing has been asked of one. */
export class AgentUnavailable extends Schema.TaggedError<AgentUnavailable>()("AgentUnavailable", {
  /** Host name of the target's node. */
  node: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `no way to node ${this.node} by an agent: ${this.detail}; see "swarm-exec agent status", or take --via helper`
  }
}

/** Those that run, by the IDs of their nodes. None where there is no such service. */
export const runningAgents: Effect.Effect<ReadonlyMap<string, Agent>, SwarmFailure, DockerEngine> = DockerEngine.use(
  ({ listTasks }) =>
    listTasks({ service: [agentService], "desired-state": ["running"] }).pipe(
      Effect.catchIf(isNotFound, () => Effect.succeed([])),
      Effect.map((tasks) => new Map(tasks.flatMap(agentOf).map((agent) => [agent.node, agent])))
    )
)

const agentOf = ({ ID, NetworksAttachments, NodeID, Spec, Status }: Task): ReadonlyArray<Agent> => {
  const labels = Spec.ContainerSpec?.Labels ?? {}
  const address = NetworksAttachments.flatMap(({ Addresses }) => Addresses)[0]?.replace(/\/\d+$/, "")
  const container = Status.ContainerStatus?.ContainerID ?? ""
  if (Status.State !== "running" || NodeID === undefined || address === undefined || container === "") return []
  const protocol = Number(labels[agentLabels.protocol])
  return [{ node: NodeID, task: ID, container, address, version: labels[agentLabels.version] ?? "", protocol }]
}

/** The two agents of a way to a node: the one beside the caller's engine, and the one that does the work. */
export interface AgentPair {
  readonly here: Agent
  readonly there: Agent
}

/** The way from one node to another one, or why there is none. `node`: host name of the latter, for the message. */
export const agentPair = (
  agents: ReadonlyMap<string, Agent>,
  from: string,
  to: { readonly id: string; readonly hostname: string }
): Effect.Effect<AgentPair, AgentUnavailable> => {
  const [here, there] = [agents.get(from), agents.get(to.id)]
  const unavailable = (detail: string) => Effect.fail(new AgentUnavailable({ node: to.hostname, detail }))
  if (agents.size === 0) return unavailable('there are none ("swarm-exec agent up" deploys them)')
  if (here === undefined) return unavailable("none runs on the node of the engine at hand")
  if (there === undefined) return unavailable("none runs there")
  const strange = [here, there].find(({ protocol }) => protocol !== protocolVersion)
  return strange === undefined
    ? Effect.succeed({ here, there })
    : unavailable(
        `they are of version ${strange.version} (protocol ${strange.protocol}; this task-exec speaks ${protocolVersion}), which "swarm-exec agent up" changes`
      )
}
