/** A connection to the agent of a node, by a door in the agent beside the caller's engine. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { Ownership } from "../Labels.ts"
import { HelperRequest, type HelperWork } from "../route/HelperRequest.ts"
import { wantsAgent } from "../route/Route.ts"
import type { Via } from "../route/Via.ts"
import { inStage } from "../Stage.ts"
import { protocolVersion } from "../wire/Frame.ts"
import { makeTunnel, type Tunnel } from "../wire/Tunnel.ts"
import { openDoor } from "./AgentDoor.ts"
import { requestChannel } from "./AgentProtocol.ts"
import { type Agent, type AgentPair, AgentUnavailable, agentPair } from "./Agents.ts"

/** How long an agent may take to be reached: a helper takes less than a second. */
const patience = "3 seconds"

/** A connection to an agent, which has not been asked for anything yet. */
export interface AgentLink {
  /** Asks, once. What comes back is what a helper would say. */
  readonly ask: (owner: Ownership, work: HelperWork) => Effect.Effect<Tunnel>
}

/** The node whose agent it is. */
export interface AgentNode {
  readonly id: string
  readonly hostname: string
}

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(HelperRequest))

/** Reaches the agent of a node. The connection is closed with the scope, which ends what the agent is doing for it. */
export const openAgentLink = Effect.fn("TaskExec.agentLink")(function* (
  { here, there }: AgentPair,
  node: AgentNode
): Effect.fn.Return<AgentLink, AgentUnavailable, DockerEngine | Scope.Scope> {
  const unavailable = ({ message }: { readonly message: string }) =>
    new AgentUnavailable({ node: node.hostname, detail: message })
  const socket = yield* openDoor(here, there).pipe(
    Effect.mapError(unavailable),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(unavailable({ message: `no answer in ${patience}` }))
    }),
    inStage({ _tag: "Connect", node: node.hostname })
  )
  const tunnel = yield* makeTunnel(socket)
  return {
    ask: (owner, work) => {
      const request = encodeRequest({ protocol: protocolVersion, node: node.id, owner, work })
      // Where it can't be sent, nothing comes back either.
      return Effect.as(Effect.ignore(tunnel.channel(requestChannel).send(request)), tunnel)
    }
  }
})

/** The agents of the swarm, or how to ask for them. */
export type FindAgents = Effect.Effect<ReadonlyMap<string, Agent>, SwarmFailure, DockerEngine>

/**
 * A connection to the agent of a node, where `via` goes by agents and there is one; `undefined` where a helper, or the engine
 * at hand, is to do it. With `auto` an agent that can't be reached is logged, and done without. `agents` is asked only if need
 * be.
 */
export const linkTo = Effect.fnUntraced(function* (
  via: Via,
  agents: FindAgents,
  here: string,
  node: AgentNode
): Effect.fn.Return<AgentLink | undefined, AgentUnavailable | SwarmFailure, DockerEngine | Scope.Scope> {
  if (!wantsAgent(via, here, node.id)) return undefined
  const found = yield* agents
  if (via === "auto" && found.size === 0) return undefined
  const pair = agentPair(found, here, node)
  if (via === "agent") return yield* Effect.flatMap(pair, (both) => openAgentLink(both, node))
  // What there is of a way that leads nowhere goes at once.
  const scope = yield* Scope.fork(yield* Effect.scope)
  return yield* pair.pipe(
    Effect.flatMap((both) => Scope.provide(openAgentLink(both, node), scope)),
    Effect.catch(({ detail }) =>
      Scope.close(scope, Exit.void).pipe(
        Effect.andThen(Effect.logDebug(`no agent: ${detail}; a helper does it`)),
        Effect.as(undefined)
      )
    )
  )
})
