/**
 * A connection to the agent of a node: an exec in the agent beside the caller's engine leads onto the agents' network, and
 * TLS with the agents' key goes from the caller through to the other agent. No port is published for it.
 */
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { Ownership } from "../Labels.ts"
import { HelperRequest, type HelperWork } from "../route/HelperRequest.ts"
import { relayAddress } from "../route/RelayProtocol.ts"
import { wantsAgent } from "../route/Route.ts"
import type { Via } from "../route/Via.ts"
import { inStage } from "../Stage.ts"
import { protocolVersion } from "../wire/Frame.ts"
import { carryOverExec } from "../wire/RelayCarrier.ts"
import { makeTunnel, type Tunnel, TunnelLost } from "../wire/Tunnel.ts"
import { prepareHandshake, secureClient } from "../wire/TunnelTls.ts"
import { agentDoor, requestChannel } from "./AgentProtocol.ts"
import { type Agent, type AgentPair, AgentUnavailable, agentPair } from "./Agents.ts"

/** How long an agent may take to be reached: a helper takes less than a second. */
const patience = "3 seconds"
/** Bytes that a door may say before the key's end. */
const keyLimit = 1024

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
  const socket = yield* Effect.gen(function* () {
    // The door takes a while to start.
    const prepared = Effect.andThen(Effect.yieldNow, prepareHandshake)
    const [carrier] = yield* Effect.all([openDoor(here.container), prepared], { concurrency: 2 })
    const complain = (error: TunnelLost) => new TunnelLost({ detail: carrier.complaint() || error.detail })
    return yield* carrier.begin(relayAddress(there.address)).pipe(
      Effect.andThen(readKey(carrier.duplex)),
      Effect.andThen((key) => secureClient(carrier.duplex, key)),
      Effect.mapError(complain)
    )
  }).pipe(
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

/** Of several managers only the one that answered has that container. */
const openDoor = (container: string) =>
  Effect.flatMap(
    DockerEngine.use(({ alone }) => alone),
    (engine) => carryOverExec(engine, container, agentDoor)
  )

/** The door's first line. What comes behind it is the other agent's. */
const readKey = (duplex: Duplex): Effect.Effect<string, TunnelLost> =>
  Effect.callback((resume) => {
    let head = Buffer.alloc(0)
    const lost = (detail: string) => {
      stop()
      resume(Effect.fail(new TunnelLost({ detail })))
    }
    const onReadable = () => {
      for (;;) {
        const chunk: Buffer | null = duplex.read()
        if (chunk === null) return
        head = Buffer.concat([head, chunk])
        const end = head.indexOf(0x0a)
        if (end < 0 && head.length > keyLimit) return lost("the agent here said something that is not understood")
        if (end < 0) continue
        stop()
        if (end + 1 < head.length) duplex.unshift(head.subarray(end + 1))
        return resume(Effect.succeed(head.toString("latin1", 0, end)))
      }
    }
    const onEnd = () => lost("the agent here closed the connection")
    const stop = () => {
      duplex.off("readable", onReadable)
      duplex.off("end", onEnd)
      duplex.off("close", onEnd)
    }
    duplex.on("readable", onReadable)
    duplex.on("end", onEnd)
    duplex.on("close", onEnd)
    return Effect.sync(stop)
  })
