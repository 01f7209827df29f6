/** Chooses the way to a node, and opens it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type FindAgents, linkTo } from "../agent/AgentLink.ts"
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

/** Which node, and how it may be reached. */
export interface ConnectOptions {
  /** The tasks on that node for which the connection is, in the order of their commands. */
  readonly tasks: readonly [ResolvedTask, ...ReadonlyArray<ResolvedTask>]
  /** The node of the connected engine. */
  readonly here: string
  readonly via: Via
  readonly agents: FindAgents
  /** Reference of our image, for helpers. */
  readonly image: Effect.Effect<string>
  /** Milliseconds until a node must have taken a helper. */
  readonly placementTimeout: number
  /** Of the objects that are made; default: of a run without an end of its own. */
  readonly owner?: Effect.Effect<Ownership>
  /** For tunnels to several nodes. */
  readonly network?: TunnelNetwork
}

/** Opens the way to a node; what was made for it is gone when the scope is closed. */
export type Connect = (options: ConnectOptions) => Effect.Effect<NodeConnection, RunError, Swarm | Scope.Scope>

/**
 * The connection: `local` where the connected engine runs the task, else the node's agent where there are agents, else a helper. Fails
 * with `RouteUnavailable` or `AgentUnavailable` where `via` asks for what is not there.
 */
export const connect: Connect = Effect.fn("TaskExec.connect")(function* (options: ConnectOptions) {
  const { agents, here, placementTimeout, via } = options
  const [task] = options.tasks
  const owner = options.owner ?? makeOwnership(undefined)
  const link = yield* linkTo(via, agents, here, task.node)
  const route = typeof link === "string" ? yield* chooseRoute(task, link, here) : "agent"
  if (route === "local") return yield* openLocalNode({ image: options.image, owner: yield* owner })
  const place = { image: yield* options.image, node: task.node, task: task.name, placementTimeout }
  if (typeof link !== "string") return yield* openAgentNode({ link, place, owner })
  const { network } = options
  return yield* openHelperNode({ place, owner, ...(network === undefined ? {} : { network }) })
})
