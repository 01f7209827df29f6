/** Deploys, updates, lists and removes the agents' service. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isInUse, isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { removeSettled } from "../engine/ServiceRemoval.ts"
import { Swarm } from "../engine/Swarm.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import { AgentsBusy, type AgentsNotRunning, type OldKeyInUse } from "./AgentErrors.ts"
import {
  isAsWanted,
  keepKey,
  makeKey,
  makeNetwork,
  networkDropped,
  removeKeys,
  removeNetworks,
  specification
} from "./AgentObjects.ts"
import { agentLabels, agentService } from "./AgentProtocol.ts"
import { type AgentState, findService, listAgents } from "./AgentState.ts"
import { awaitAgents, awaitRetired } from "./AgentsReady.ts"

/** The time within which Swarm must release the network of the removed service. */
const networkTimeout = "10 seconds"

/**
 * Options of {@link agentsUp}.
 *
 * @category agents
 * @since 0.1.0
 */
export interface AgentsUpOptions {
  /** Image of the agents; default: that of the `HelperImage` layer. */
  readonly image?: string
  /** Create a new key pair for callers. Agents then refuse the old one. Default `false`. */
  readonly rotateKey?: boolean
}

/**
 * What {@link agentsUp} did to the agents' service.
 *
 * @category agents
 * @since 0.1.0
 */
export type AgentsUpResult = "created" | "updated" | "unchanged"

/**
 * Deploys an agent of this version on every node that accepts tasks, and waits until all of them listen.
 *
 * **When to use**: if you run commands often enough to justify one container per node. Runs on other nodes then need no helper.
 *
 * **Details**: creates the service, or updates it if its version or image differs. Replaced agents end when the commands that they serve
 * have ended. Fails with `AgentsNotRunning` if a node has no agent within 5 minutes, if the node rejects the agent, or if the agent does
 * not listen. Fails with `OldKeyInUse` if a replaced agent does not report that it accepts no new callers.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { agentsUp, HelperImage, Swarm } from "task-exec"
 *
 * const deployed = agentsUp().pipe(Effect.provide(HelperImage.layer.pipe(Layer.provideMerge(Swarm.layer))))
 * ```
 *
 * @category agents
 * @since 0.1.0
 */
export const agentsUp = Effect.fn("Agents.up")(function* ({
  image,
  rotateKey = false
}: AgentsUpOptions = {}): Effect.fn.Return<
  AgentsUpResult,
  AgentsNotRunning | OldKeyInUse | SwarmFailure,
  Swarm | HelperImage
> {
  const swarm = yield* Swarm
  const images = yield* HelperImage
  const reference = yield* image === undefined ? images.reference : images.pin(image)
  const found = yield* findService
  if (found !== undefined && !rotateKey && isAsWanted(found, reference)) {
    yield* awaitAgents
    return "unchanged"
  }
  const labels = found?.Spec.Labels ?? {}
  const network = labels[agentLabels.network] ?? (yield* makeNetwork)
  const key = yield* rotateKey ? makeKey : keepKey(labels[agentLabels.key] ?? "")
  const spec = specification(reference, key, network)
  if (found === undefined) yield* swarm.createService(spec)
  else yield* swarm.updateService(found.ID, found.Version.Index, spec)
  yield* awaitAgents
  yield* removeKeys(key)
  yield* awaitRetired(key)
  // An earlier "agent down" may have kept the networks of agents that still served commands.
  yield* Effect.catchIf(
    removeNetworks((name) => name !== network),
    isInUse,
    () => Effect.void
  )
  return found === undefined ? "created" : "updated"
})

/**
 * Returns the agents of all nodes that accept tasks, sorted by the nodes' host names.
 *
 * **Details**: empty if no agents are deployed. A node without an agent has the state `none`.
 *
 * @category agents
 * @since 0.1.0
 */
export const agentsStatus = Effect.fn("Agents.status")(function* (): Effect.fn.Return<
  ReadonlyArray<AgentState>,
  SwarmFailure,
  Swarm
> {
  const deployment = yield* listAgents
  return (deployment?.nodes ?? []).map(({ state }) => state).toSorted((a, b) => (a.node < b.node ? -1 : 1))
})

/**
 * Removes the agents, their network and the callers' keys. Succeeds if there are none.
 *
 * **Details**: agents that serve commands end with these commands. Until then, only their network stays. Waits up to 15 seconds for the
 * connected engine to drop the network.
 *
 * **Gotchas**: fails with `AgentsBusy` if the network is still in use. Call it again when the commands have ended.
 *
 * @category agents
 * @since 0.1.0
 */
export const agentsDown = Effect.fn("Agents.down")(function* (): Effect.fn.Return<
  void,
  AgentsBusy | SwarmFailure,
  Swarm
> {
  const swarm = yield* Swarm
  yield* Effect.catchIf(removeSettled(swarm, agentService), isNotFound, () => Effect.void)
  yield* removeKeys()
  const removed = yield* removeNetworks(() => true).pipe(
    Effect.retry({
      while: isInUse,
      schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: networkTimeout }))
    }),
    Effect.catchIf(isInUse, ({ message }) => Effect.fail(new AgentsBusy({ detail: message })))
  )
  yield* Effect.forEach(removed, (name) => networkDropped(swarm, name), { concurrency: "unbounded", discard: true })
})

/**
 * Returns the names of the agents' networks, configs and secrets if the agents' service does not exist: `config task-exec-agent-7f…`. They
 * remain if another program removed the service or an "agent up" was killed. {@link agentsDown} removes them.
 */
export const agentRemains = Effect.fn("Agents.remains")(function* (): Effect.fn.Return<
  ReadonlyArray<string>,
  SwarmFailure,
  Swarm
> {
  const { listConfigs, listNetworks, listSecrets } = yield* Swarm
  if ((yield* findService) !== undefined) return []
  const keys = { label: [agentLabels.key] }
  const [configs, secrets, networks] = yield* Effect.all(
    [listConfigs(keys), listSecrets(keys), listNetworks({ label: [agentLabels.version] })],
    { concurrency: 3 }
  )
  return [
    ...configs.map(({ Spec }) => `config ${Spec.Name}`),
    ...secrets.map(({ Spec }) => `secret ${Spec.Name}`),
    ...networks.map(({ Name }) => `network ${Name}`)
  ]
})
