/** The objects of a deployment of agents: its service, its network, and the key pair of the callers. */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import { protocolVersion } from "../carrier/Frame.ts"
import { isNotFound } from "../engine/EngineErrors.ts"
import { freeSubnet } from "../engine/FreeSubnet.ts"
import { dropNetwork, networkGone } from "../engine/NetworkRemoval.ts"
import type { ServiceSpec } from "../engine/RequestBodies.ts"
import { restartPolicy } from "../engine/ServiceRemoval.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import type { Service } from "../engine/SwarmSchemas.ts"
import { nodeContainer } from "../helper/NodeService.ts"
import { imageCommands } from "../ImageCommands.ts"
import { version } from "../Version.ts"
import { AgentsBusy } from "./AgentErrors.ts"
import { makeKeyPair, writeKeyPair } from "./AgentKeys.ts"
import { agentFolder, agentLabels, agentService } from "./AgentProtocol.ts"
import { findKeyPair } from "./Agents.ts"

/** Milliseconds that a stopped agent may continue to serve commands: a day. */
const drainGrace = 24 * 3600_000
/** The number of nodes for which the agents' network has addresses. A network's range can't grow. */
const mostNodes = 4000
/**
 * The time within which the connected engine must drop the removed network. The agent on that engine must end first, which takes 4 seconds
 * on an idle machine.
 */
const listingTimeout = "15 seconds"

/** Returns the spec of the agents' service. */
export const specification = (image: string, key: string, network: string): ServiceSpec => {
  const labels = {
    [agentLabels.version]: version,
    [agentLabels.protocol]: String(protocolVersion),
    [agentLabels.image]: image,
    [agentLabels.key]: key,
    [agentLabels.network]: network
  }
  const container = nodeContainer({
    image,
    command: imageCommands.agent,
    labels,
    stopGrace: drainGrace
  })
  const folder = { Type: "tmpfs", Target: agentFolder, TmpfsOptions: { SizeBytes: 64 * 1024, Mode: 0o700 } } as const
  return {
    Name: agentService,
    Labels: labels,
    Mode: { Global: {} },
    EndpointSpec: { Mode: "dnsrr" },
    // The new agent starts before the old one stops, so that callers always find an agent.
    UpdateConfig: { Parallelism: 0, Order: "start-first" },
    TaskTemplate: {
      ContainerSpec: { ...container, Mounts: [...(container.Mounts ?? []), folder] },
      RestartPolicy: restartPolicy("always"),
      Networks: [{ Target: network }],
      LogDriver: { Name: "json-file", Options: { "max-size": "10m", "max-file": "2" } }
    }
  }
}

/** Whether the service has this version and this image. */
export const isAsWanted = ({ Spec: { Labels } }: Service, image: string): boolean =>
  Labels[agentLabels.version] === version &&
  Labels[agentLabels.protocol] === String(protocolVersion) &&
  Labels[agentLabels.image] === image

/**
 * Creates the network of one deployment, under a new name. Engine 20.10 may list a removed network for half a minute after it rejected
 * tasks, and services that use the name of that network then fail.
 */
export const makeNetwork = Effect.gen(function* () {
  const swarm = yield* Swarm
  const name = freshName()
  yield* swarm.createNetwork({
    Name: name,
    Driver: "overlay",
    Attachable: false,
    Internal: true,
    CheckDuplicate: true,
    IPAM: { Config: [{ Subnet: yield* freeSubnet(swarm, mostNodes) }] },
    Labels: { [agentLabels.version]: version }
  })
  return name
})

/** Removes the networks of agents whose name matches. Returns their names. */
export const removeNetworks = Effect.fnUntraced(function* (matches: (name: string) => boolean) {
  const swarm = yield* Swarm
  const networks = yield* swarm.listNetworks({ label: [agentLabels.version] })
  const old = networks.filter(({ Name }) => matches(Name))
  yield* Effect.forEach(old, ({ Name }) => dropNetwork(swarm, Name), { discard: true })
  return old.map(({ Name }) => Name)
})

/**
 * Waits until the connected engine no longer lists a removed network. Fails if an agent on that engine still uses the network. If the
 * engine lists the network for another reason, it drops it later by itself.
 */
export const networkDropped = Effect.fnUntraced(function* (swarm: SwarmShape, name: string) {
  yield* networkGone(swarm, name, listingTimeout)
  const networks = yield* swarm.listNetworks({ name: [name] })
  if (!networks.some(({ Name }) => Name === name)) return
  const engine = yield* swarm.engine
  const label = [`${agentLabels.network}=${name}`]
  const agents = yield* engine.listContainers({ label, status: ["running"] }, { all: false })
  if (agents.length > 0) return yield* new AgentsBusy({ detail: `network ${name} is in use` })
})

/** Creates a key pair for callers in a config, and returns its public half. No task mounts the config, so no worker receives it. */
export const makeKey = Effect.gen(function* () {
  const { createConfig } = yield* Swarm
  const pair = makeKeyPair()
  const labels = { [agentLabels.version]: version, [agentLabels.key]: pair.publicKey }
  yield* createConfig({ name: freshName(), labels, data: Buffer.from(writeKeyPair(pair)) })
  return pair.publicKey
})

/** Keeps the key pair with this public half, or creates a new one if that pair is missing or unreadable. Returns the public half. */
export const keepKey = (publicKey: string) =>
  findKeyPair(publicKey).pipe(
    Effect.as(publicKey),
    Effect.catchTag("CallersKeyMissing", () => makeKey)
  )

/** Removes all key pairs except the one with this public half, and the secrets with which agents of version 0.1.0 shared their key. */
export const removeKeys = Effect.fnUntraced(function* (but?: string) {
  const { listConfigs, listSecrets, removeConfig, removeSecret } = yield* Swarm
  const ours = { label: [agentLabels.key] }
  const [configs, secrets] = yield* Effect.all([listConfigs(ours), listSecrets(ours)], { concurrency: 2 })
  const old = configs.filter(({ Spec }) => Spec.Labels[agentLabels.key] !== but)
  const removals = [...old.map(({ ID }) => removeConfig(ID)), ...secrets.map(({ ID }) => removeSecret(ID))]
  yield* Effect.forEach(removals, (removal) => Effect.catchIf(removal, isNotFound, () => Effect.void), {
    discard: true
  })
})

/** Returns a new name for an object of a deployment. */
const freshName = (): string => `${agentService}-${randomBytes(6).toString("hex")}`
