/** A connection to the agent of a node, through the agent on the connected engine's node. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { whoAmI } from "../audit/WhoAmI.ts"
import { TunnelLost } from "../carrier/Channel.ts"
import { protocolVersion } from "../carrier/Frame.ts"
import { makeTunnel, type Tunnel } from "../carrier/Tunnel.ts"
import { prepareHandshake, secureClient } from "../carrier/TunnelTls.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { summaryOf } from "../engine/Hints.ts"
import type { Swarm } from "../engine/Swarm.ts"
import type { HelperWork } from "../helper/HelperRequest.ts"
import type { Ownership } from "../Labels.ts"
import type { Via } from "../request/Via.ts"
import { inStage } from "../Stage.ts"
import { openAgentEntry } from "./AgentEntry.ts"
import { deriveKey } from "./AgentKeys.ts"
import { awaitNotice } from "./AgentLog.ts"
import { requestChannel } from "./AgentProtocol.ts"
import { AgentRequest } from "./AgentRequest.ts"
import { type Agent, type AgentPair, AgentUnavailable, agentPair, type RunningAgents } from "./Agents.ts"

/**
 * The timeout of the connection to an agent. With `auto`, a helper is used instead after the timeout, which takes less than a second on an
 * idle machine. With `agent`, the run fails after the timeout. Each connection starts a process on the entry agent's node, so 60 at once
 * may take 15 seconds on a busy one (two cores, engine 20.10).
 */
const responseTimeouts = { auto: "3 seconds", agent: "30 seconds" } as const

/** A connection to an agent, before the request is sent. */
export interface AgentConnection {
  /** Sends the request. Call it once. The agent responds as a helper does. */
  readonly request: (owner: Ownership, work: HelperWork) => Effect.Effect<Tunnel>
}

/** The node of an agent. */
export interface AgentNode {
  readonly id: string
  readonly hostname: string
}

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(AgentRequest))

/**
 * Connects to the agent of a node. The connection closes with the scope, and the agent then ends its work for this connection.
 *
 * **Details**: the connection uses TLS. Its key is derived from the callers' private half and the agent's public half. The agent's log
 * proves that the public half belongs to this node and task. Nothing is sent before the agent has proved that it has the private half.
 */
export const openAgentConnection = Effect.fn("TaskExec.agentConnection")(function* (
  { entry, target }: AgentPair,
  keyPair: RunningAgents["keyPair"],
  node: AgentNode,
  via: keyof typeof responseTimeouts
): Effect.fn.Return<AgentConnection, AgentUnavailable, Swarm | Scope.Scope> {
  const unavailable = (error: { readonly message: string; readonly summary?: string }) =>
    new AgentUnavailable({ node: node.hostname, detail: summaryOf(error) })
  // Loads OpenSSL while the engine works.
  const prepared = Effect.andThen(Effect.yieldNow, prepareHandshake)
  const socket = yield* Effect.all([openAgentEntry(entry, target), keyFor(target, keyPair), prepared], {
    concurrency: 3
  }).pipe(
    Effect.flatMap(([{ complaint, duplex }, key]) =>
      Effect.mapError(secureClient(duplex, key), ({ detail }) => new TunnelLost({ detail: complaint() || detail }))
    ),
    Effect.mapError(unavailable),
    Effect.timeoutOrElse({
      duration: responseTimeouts[via],
      orElse: () => Effect.fail(unavailable({ message: `no response within ${responseTimeouts[via]}` }))
    }),
    inStage({ _tag: "Connect", node: node.hostname })
  )
  const tunnel = yield* makeTunnel(socket)
  return {
    request: (owner, work) => {
      const request = encodeRequest({ protocol: protocolVersion, node: node.id, owner, work, who: whoAmI() })
      // Ignores errors: if the request can't be sent, the tunnel's incoming frames fail.
      return Effect.as(Effect.ignore(tunnel.channel(requestChannel).send(request)), tunnel)
    }
  }
})

/** Derives the TLS key of the connections to an agent. */
const keyFor = Effect.fnUntraced(function* (target: Agent, keyPair: RunningAgents["keyPair"]) {
  const [own, { key }] = yield* Effect.all([keyPair(target.callersKey), awaitNotice(target)], { concurrency: 2 })
  return yield* Effect.fromResult(deriveKey(own, "caller", key, target))
})

/** Whether a run looks for agents. `connected`: ID of the connected engine's node. `node`: ID of the task's node. */
export const wantsAgent = (via: Via, connected: string, node: string): boolean =>
  via === "agent" || (via === "auto" && connected !== node)

/** Finds the agents of the swarm. */
export type FindAgents = Effect.Effect<RunningAgents, SwarmFailure, Swarm>

/**
 * Connects to the agent of a node if `via` is `agent`, or if `auto` may use an agent. Returns the connection, or `via` if no agent is used.
 * With `auto`, an agent that is missing or does not respond is logged and not used. Runs `agents` only if an agent may be used.
 */
export const connectAgent = Effect.fnUntraced(function* (
  via: Via,
  agents: FindAgents,
  connectedNode: string,
  node: AgentNode
): Effect.fn.Return<AgentConnection | Exclude<Via, "agent">, AgentUnavailable | SwarmFailure, Swarm | Scope.Scope> {
  if (via !== "agent" && !wantsAgent(via, connectedNode, node.id)) return via
  const { byNode, keyPair } = yield* agents
  const pair = agentPair(byNode, connectedNode, node)
  if (via === "agent") return yield* Effect.flatMap(pair, (both) => openAgentConnection(both, keyPair, node, "agent"))
  if (byNode.size === 0) return via
  // A scope of its own, so that a connection that fails closes at once.
  const scope = yield* Scope.fork(yield* Effect.scope)
  return yield* pair.pipe(
    Effect.flatMap((both) => Scope.provide(openAgentConnection(both, keyPair, node, "auto"), scope)),
    Effect.catch(({ detail }) =>
      Scope.close(scope, Exit.void).pipe(
        Effect.andThen(Effect.logDebug(`cannot use an agent: ${detail}; using a helper`)),
        Effect.as(via)
      )
    )
  )
})
