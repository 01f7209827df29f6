/** Finds the agents of a swarm, as the managers report them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { protocolVersion } from "../carrier/Frame.ts"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { withHint } from "../engine/Hints.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { Task } from "../engine/SwarmSchemas.ts"
import { type KeyPair, readKeyPair } from "./AgentKeys.ts"
import { agentLabels, agentService } from "./AgentProtocol.ts"

/** The agent of a node, as the managers describe it. No value comes from the node itself. */
export interface Agent {
  /** ID of the node. */
  readonly node: string
  /** ID of the agent's task. */
  readonly task: string
  /** ID of the agent's container. */
  readonly container: string
  /** The agent's address on the agents' network. */
  readonly address: string
  /** The agent's version of task-exec. */
  readonly version: string
  /** The agent's version of the wire protocol. */
  readonly protocol: number
  /** Name of the deployment, which is the name of the agents' network. */
  readonly deployment: string
  /** The public half of the callers' key pair that the agent accepts. */
  readonly callersKey: string
}

/** The agents of the swarm. */
export interface RunningAgents {
  /** Agents by node ID. Empty if none is deployed. */
  readonly byNode: ReadonlyMap<string, Agent>
  /** Reads the key pair with this public half from a config. Only the managers' API can read configs. */
  readonly keyPair: (publicKey: string) => Effect.Effect<KeyPair, CallersKeyMissing | SwarmFailure, Swarm>
}

/** No config holds the private half of the callers' key pair. */
export class CallersKeyMissing extends Schema.TaggedError<CallersKeyMissing>()("CallersKeyMissing", {
  detail: Schema.String
}) {
  override get message(): string {
    return `the callers' key cannot be used: ${this.detail} ("task-exec agent up --rotate-key" creates a new one)`
  }
}

/**
 * No agent can reach the target's node. No request has been sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class AgentUnavailable extends Schema.TaggedError<AgentUnavailable>()("AgentUnavailable", {
  /** Host name of the target's node. */
  node: Schema.String,
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot reach node ${this.node} through an agent: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return 'Run "task-exec agent status", or use --via helper.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/** Finds the running agents. */
export const runningAgents: Effect.Effect<RunningAgents, SwarmFailure, Swarm> = Swarm.use(({ listTasks }) =>
  listTasks({ service: [agentService], "desired-state": ["running"] }).pipe(
    Effect.catchIf(isNotFound, () => Effect.succeed([])),
    Effect.map((tasks) => ({
      byNode: new Map(tasks.flatMap(agentOf).map((agent) => [agent.node, agent])),
      keyPair: memoizeByKey(findKeyPair)
    }))
  )
)

/** Memoizes successful results by key. */
const memoizeByKey = <A, E, R>(find: (key: string) => Effect.Effect<A, E, R>) => {
  const known = new Map<string, A>()
  return (key: string): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const found = known.get(key)
      return found === undefined
        ? Effect.tap(find(key), (pair) => Effect.sync(() => known.set(key, pair)))
        : Effect.succeed(found)
    })
}

/** Finds the callers' key pair with this public half. */
export const findKeyPair = Effect.fnUntraced(function* (
  publicKey: string
): Effect.fn.Return<KeyPair, CallersKeyMissing | SwarmFailure, Swarm> {
  const { listConfigs } = yield* Swarm
  const [config] = yield* listConfigs({ label: [`${agentLabels.key}=${publicKey}`] })
  if (config === undefined) return yield* new CallersKeyMissing({ detail: "no config holds it" })
  const read = readKeyPair(Buffer.from(config.Spec.Data, "base64").toString("utf8"))
  if (Result.isFailure(read))
    return yield* new CallersKeyMissing({ detail: `its config is unreadable (${read.failure.detail})` })
  if (read.success.publicKey === publicKey) return read.success
  return yield* new CallersKeyMissing({ detail: "its config holds another key" })
})

const agentOf = ({ ID, NetworksAttachments, NodeID, Spec, Status }: Task): ReadonlyArray<Agent> => {
  const labels = Spec.ContainerSpec?.Labels ?? {}
  const address = NetworksAttachments.flatMap(({ Addresses }) => Addresses)[0]?.replace(/\/\d+$/, "")
  const container = Status.ContainerStatus?.ContainerID ?? ""
  if (Status.State !== "running" || NodeID === undefined || address === undefined || container === "") return []
  return [
    {
      node: NodeID,
      task: ID,
      container,
      address,
      version: labels[agentLabels.version] ?? "",
      protocol: Number(labels[agentLabels.protocol]),
      deployment: labels[agentLabels.network] ?? "",
      callersKey: labels[agentLabels.key] ?? ""
    }
  ]
}

/** The two agents of a connection: `entry` runs on the connected engine's node, `target` on the target's node. */
export interface AgentPair {
  readonly entry: Agent
  readonly target: Agent
}

/** Returns the two agents of a connection. Fails with `AgentUnavailable` if one is missing or uses another version of the protocol. */
export const agentPair = (
  agents: ReadonlyMap<string, Agent>,
  from: string,
  to: { readonly id: string; readonly hostname: string }
): Effect.Effect<AgentPair, AgentUnavailable> => {
  const [entry, target] = [agents.get(from), agents.get(to.id)]
  const unavailable = (detail: string) => Effect.fail(new AgentUnavailable({ node: to.hostname, detail }))
  if (agents.size === 0) return unavailable('no agents are deployed ("task-exec agent up" deploys them)')
  if (entry === undefined) return unavailable("the connected engine's node has no running agent")
  if (target === undefined) return unavailable("the node has no running agent")
  const incompatible = [entry, target].find(({ protocol }) => protocol !== protocolVersion)
  return incompatible === undefined
    ? Effect.succeed({ entry, target })
    : unavailable(
        `the agents have version ${incompatible.version} with protocol ${incompatible.protocol}, and this task-exec uses protocol ${protocolVersion} ("task-exec agent up" updates them)`
      )
}
