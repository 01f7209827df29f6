/** Chooses the route to a node, and opens the node connection. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connectAgent, type FindAgents } from "../agent/AgentConnection.ts"
import type { Swarm } from "../engine/Swarm.ts"
import type { TunnelNetwork } from "../helper/TunnelNetwork.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import type { RunError } from "../Run.ts"
import type { Via } from "../request/Via.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { openAgentNode } from "./AgentNode.ts"
import { openHelperNode } from "./HelperNode.ts"
import { openLocalNode } from "./LocalNode.ts"
import type { NodeConnection } from "./NodeConnection.ts"
import { chooseRoute } from "./Route.ts"

/** Options of {@link connect}. */
export interface ConnectOptions {
  /** The tasks on the node, in the order of their commands. */
  readonly tasks: readonly [ResolvedTask, ...ReadonlyArray<ResolvedTask>]
  /** ID of the connected engine's node. */
  readonly connectedNode: string
  readonly via: Via
  readonly agents: FindAgents
  /** Reference of our image, for helpers. */
  readonly image: Effect.Effect<string>
  /** Milliseconds within which Swarm must place a helper on the node. */
  readonly placementTimeout: number
  /** Ownership of the objects to create; default: that of a new run without a deadline. */
  readonly owner?: Effect.Effect<Ownership>
  /** The network that tunnels to several nodes share. */
  readonly network?: TunnelNetwork
}

/** Opens a node connection. Removes what was created for it when the scope closes. */
export type Connect = (options: ConnectOptions) => Effect.Effect<NodeConnection, RunError, Swarm | Scope.Scope>

/**
 * Opens a node connection: `local` if the connected engine runs the task, else through the node's agent if agents are deployed, else
 * through a helper. Fails with `RouteUnavailable` or `AgentUnavailable` if the route that `via` names is not available.
 */
export const connect: Connect = Effect.fn("TaskExec.connect")(function* (options: ConnectOptions) {
  const { agents, connectedNode, placementTimeout, via } = options
  const [task] = options.tasks
  const owner = options.owner ?? makeOwnership(undefined)
  const connection = yield* connectAgent(via, agents, connectedNode, task.node)
  const route = typeof connection === "string" ? yield* chooseRoute(task, connection, connectedNode) : "agent"
  if (route === "local") return yield* openLocalNode({ image: options.image, owner: yield* owner })
  const placement = { image: yield* options.image, node: task.node, task: task.name, placementTimeout }
  if (typeof connection !== "string") return yield* openAgentNode({ connection, placement, owner })
  const { network } = options
  return yield* openHelperNode({ placement, owner, ...(network === undefined ? {} : { network }) })
})
