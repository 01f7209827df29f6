/** The agents' service: deployed, brought up to date, looked at, and removed. */

import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { protocolVersion } from "../carrier/Frame.ts"
import { isInUse, isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import type { Node, Service, ServiceSpec, Task } from "../engine/EngineSchemas.ts"
import { freeSubnet } from "../engine/FreeSubnet.ts"
import { withHint } from "../engine/Hints.ts"
import { dropNetwork, networkGone } from "../engine/NetworkRemoval.ts"
import { removeSettled, restartPolicy } from "../engine/ServiceRemoval.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import { nodeContainer } from "../helper/NodeService.ts"
import { imageCommands } from "../ImageCommands.ts"
import { version } from "../Version.ts"
import { makeKeyPair, writeKeyPair } from "./AgentKeys.ts"
import { awaitNotice, readNotice } from "./AgentLog.ts"
import { agentFolder, agentLabels, agentService } from "./AgentProtocol.ts"
import { findKeyPair, runningAgents } from "./Agents.ts"

/** How long agents may take to be everywhere, in milliseconds: their image may have to come first. */
const upPatience = 300_000
/** How long a node may refuse an agent before that is taken for its last word, in milliseconds. */
const refusalPatience = 15_000
const pause = 250
/** How long an agent that is to end may go on for those that it serves, in milliseconds: a day. */
const drainGrace = 24 * 3600_000
/** How long an agent that runs may take until it listens, in milliseconds. */
const listenPatience = 60_000
/** How long an agent that was replaced may take to refuse new callers, in milliseconds. */
const retirePatience = 30_000
/** How many nodes the agents' network has room for: its address range can't grow with the swarm. */
const mostNodes = 4000
/** How long Swarm may take to let go of the network after the service. */
const networkPatience = "10 seconds"
/** How long the connected engine may list the removed network: until its own agent has ended, 4 seconds on an idle machine. */
const listedPatience = "15 seconds"

/** The agent of one node, or what there is in its place. */
export interface AgentState {
  /** Host name of the node. */
  readonly node: string
  /** Swarm's word for the state of its task, or `none`. */
  readonly state: string
  /** Why it is not running, where the engine says that. */
  readonly reason: string
  /** Of task-exec; empty where there is no agent. */
  readonly version: string
  /** It runs, and has the service's version, image and callers' key. */
  readonly isCurrent: boolean
}

/** Some nodes have no current agent. */
export class AgentsNotRunning extends Schema.TaggedError<AgentsNotRunning>()("AgentsNotRunning", {
  /** Milliseconds waited. */
  after: Schema.Finite,
  nodes: Schema.Array(Schema.Struct({ node: Schema.String, state: Schema.String, reason: Schema.String }))
}) {
  /** What failed, and why. */
  get summary(): string {
    const nodes = this.nodes.map(({ node, reason, state }) => `${node} (${reason === "" ? state : reason})`)
    return `cannot start agents on ${nodes.join(", ")}: not ready after ${Math.round(this.after / 1000)} s`
  }

  /** The next step. */
  get hint(): string {
    return 'Run "task-exec doctor" to check these nodes.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/** Agents still serve commands, so their network cannot be removed. */
export class AgentsBusy extends Schema.TaggedError<AgentsBusy>()("AgentsBusy", {
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot remove the agents' network: agents still serve commands (${this.detail})`
  }

  /** The next step. */
  get hint(): string {
    return 'They accept no new callers and end with these commands: then run "task-exec agent down" again.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/** What `up` is to do. */
export interface AgentsUpOptions {
  /** Of the agents; default: that of the `HelperImage` layer. */
  readonly image?: string
  /** Makes a new key pair for callers. The one before it opens nothing after that. */
  readonly rotateKey?: boolean
}

/** Agents that were replaced may still accept callers with the old key. */
export class OldKeyInUse extends Schema.TaggedError<OldKeyInUse>()("OldKeyInUse", {
  /** Host names of their nodes. */
  nodes: Schema.Array(Schema.String)
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot confirm that agents refuse the old key on ${this.nodes.join(", ")}: the replaced agent has not reported that it accepts no new callers`
  }

  /** The next step. */
  get hint(): string {
    return `Check "docker service logs ${agentService}", or remove the container of that agent.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/** What `up` did. */
export type AgentsUpResult = "created" | "updated" | "unchanged"

/**
 * Sees to it that every node that takes tasks has an agent of this version, and waits for that. The service is made, or
 * changed if it is of another version or image, or left alone. Agents that are replaced end when those they serve are done.
 * Fails with `AgentsNotRunning` where a node does not get one, and with `OldKeyInUse` where an agent from before does not say that
 * it takes no new callers.
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
  // Removes what an earlier "down" left because agents still served callers.
  yield* Effect.catchIf(
    removeNetworks((name) => name !== network),
    isInUse,
    () => Effect.void
  )
  return found === undefined ? "created" : "updated"
})

/** The agents of all nodes that take tasks, by the nodes' names; none of them where there is no service. */
export const agentsStatus = Effect.fn("Agents.status")(function* (): Effect.fn.Return<
  ReadonlyArray<AgentState>,
  SwarmFailure,
  Swarm
> {
  const seen = yield* look
  return (seen?.nodes ?? []).map(({ state }) => state).toSorted((a, b) => (a.node < b.node ? -1 : 1))
})

/**
 * Removes the agents, their network and the callers' keys. Succeeds if there are none.
 *
 * **Details**: agents that serve commands end with these commands, and only their network stays until then. Waits up to 15 seconds for the
 * connected engine to drop the network, and fails with `AgentsBusy` if the engine's own agent still serves a command.
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
      schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: networkPatience }))
    }),
    Effect.catchIf(isInUse, ({ message }) => Effect.fail(new AgentsBusy({ detail: message })))
  )
  yield* Effect.forEach(removed, (name) => networkDropped(swarm, name), { concurrency: "unbounded", discard: true })
})

/**
 * Waits until the connected engine no longer lists a removed network. Fails if an agent on that engine still uses the network. An engine that
 * lists the network for another reason forgets it by itself.
 */
const networkDropped = Effect.fnUntraced(function* (swarm: SwarmShape, name: string) {
  yield* networkGone(swarm, name, listedPatience)
  const networks = yield* swarm.listNetworks({ name: [name] })
  if (!networks.some(({ Name }) => Name === name)) return
  const engine = yield* swarm.engine
  const label = [`${agentLabels.network}=${name}`]
  const agents = yield* engine.listContainers({ label, status: ["running"] }, { all: false })
  if (agents.length > 0) return yield* new AgentsBusy({ detail: `network ${name} is in use` })
})

/**
 * Names the networks, configs and secrets of agents that are left without the agents' service: `config task-exec-agent-7f…`. Another
 * program removed the service, or an "agent up" was killed. {@link agentsDown} removes them.
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

/** Every node that takes tasks, with what there is of its agent; `undefined` where there is no service. */
const look = Effect.gen(function* () {
  const swarm = yield* Swarm
  const [service, nodes] = yield* Effect.all([findService, swarm.listNodes()], { concurrency: 2 })
  if (service === undefined) return undefined
  const tasks = yield* swarm.listTasks({ service: [service.ID] })
  return {
    nodes: nodes
      .filter(takesTasks)
      .map((node) => ({ state: stateOf(node, tasks, service), refused: refusalsOn(node, tasks, service) }))
  }
})

const findService = Swarm.use(({ listServices }) =>
  Effect.map(listServices({ name: [agentService] }), (services) =>
    services.find(({ Spec }) => Spec.Name === agentService)
  )
)

const isAsWanted = ({ Spec: { Labels } }: Service, image: string): boolean =>
  Labels[agentLabels.version] === version &&
  Labels[agentLabels.protocol] === String(protocolVersion) &&
  Labels[agentLabels.image] === image

/**
 * Each deployment has one of its own: engine 20.10 may show a network for half a minute after its removal (after tasks that it
 * rejected), and gives its name to services that then can't have it.
 */
const makeNetwork = Effect.gen(function* () {
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

/** Removes networks of agents, and gives their names. */
const removeNetworks = (isToGo: (name: string) => boolean) =>
  Effect.gen(function* () {
    const swarm = yield* Swarm
    const networks = yield* swarm.listNetworks({ label: [agentLabels.version] })
    const old = networks.filter(({ Name }) => isToGo(Name))
    yield* Effect.forEach(old, ({ Name }) => dropNetwork(swarm, Name), { discard: true })
    return old.map(({ Name }) => Name)
  })

/** Of what belongs to one deployment. */
const freshName = (): string => `${agentService}-${randomBytes(6).toString("hex")}`

/** Makes a key pair for callers, and gives its public half. No task mounts the config: it reaches no worker. */
const makeKey = Effect.gen(function* () {
  const { createConfig } = yield* Swarm
  const pair = makeKeyPair()
  const labels = { [agentLabels.version]: version, [agentLabels.key]: pair.publicKey }
  yield* createConfig({ name: freshName(), labels, data: Buffer.from(writeKeyPair(pair)) })
  return pair.publicKey
})

/** A key pair that is not there or not readable is replaced. */
const keepKey = (publicKey: string) =>
  findKeyPair(publicKey).pipe(
    Effect.as(publicKey),
    Effect.catchTag("CallersKeyMissing", () => makeKey)
  )

/** Removes all key pairs but one, and the secrets with which agents of version 0.1.0 shared their key. */
const removeKeys = Effect.fnUntraced(function* (but?: string) {
  const { listConfigs, listSecrets, removeConfig, removeSecret } = yield* Swarm
  const ours = { label: [agentLabels.key] }
  const [configs, secrets] = yield* Effect.all([listConfigs(ours), listSecrets(ours)], { concurrency: 2 })
  const old = configs.filter(({ Spec }) => Spec.Labels[agentLabels.key] !== but)
  const removals = [...old.map(({ ID }) => removeConfig(ID)), ...secrets.map(({ ID }) => removeSecret(ID))]
  yield* Effect.forEach(removals, (removal) => Effect.catchIf(removal, isNotFound, () => Effect.void), {
    discard: true
  })
})

const specification = (image: string, key: string, network: string): ServiceSpec => {
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
    // The new one starts first, so that callers always find one.
    UpdateConfig: { Parallelism: 0, Order: "start-first" },
    TaskTemplate: {
      ContainerSpec: { ...container, Mounts: [...(container.Mounts ?? []), folder] },
      RestartPolicy: restartPolicy("always"),
      Networks: [{ Target: network }],
      LogDriver: { Name: "json-file", Options: { "max-size": "10m", "max-file": "2" } }
    }
  }
}

/** Swarm gives a task of a global service to those nodes. */
const takesTasks = ({ Spec, Status }: Node): boolean => Status.State === "ready" && Spec.Availability === "active"

const stateOf = ({ Description, ID }: Node, tasks: ReadonlyArray<Task>, service: Service): AgentState => {
  const onNode = tasks.filter(({ NodeID }) => NodeID === ID).toSorted(newestFirst)
  // One that is older goes on where the service is again as it was.
  const task = onNode.find((one) => one.Status.State === "running" && isOf(one, service)) ?? onNode[0]
  const state = task?.Status.State ?? "none"
  return {
    node: Description.Hostname,
    state,
    reason: task?.Status.Err ?? "",
    version: task?.Spec.ContainerSpec?.Labels[agentLabels.version] ?? "",
    isCurrent: task !== undefined && state === "running" && isOf(task, service)
  }
}

const newestFirst = (a: Task, b: Task): number => (a.CreatedAt < b.CreatedAt ? 1 : -1)

/** Whether a task is as its service is now. */
const isOf = ({ Spec: { ContainerSpec } }: Task, { Spec }: Service): boolean =>
  Object.values(agentLabels).every((label) => ContainerSpec?.Labels[label] === Spec.Labels[label])

/** How often a node may fail to start an agent, and for how long, until that is taken for its last word. */
const mostRefusals = 2
const refusals: ReadonlySet<string> = new Set(["rejected", "failed"])

/** Done when every node has its agent. */
const awaitAgents = Effect.gen(function* () {
  const start = yield* Clock.currentTimeMillis
  while (true) {
    const seen = yield* look
    if (seen === undefined) return yield* new AgentsNotRunning({ after: 0, nodes: [] })
    const missing = seen.nodes.filter(({ state }) => !state.isCurrent)
    if (missing.length === 0) return yield* awaitListening(start)
    const after = (yield* Clock.currentTimeMillis) - start
    const isLost = after > refusalPatience && missing.every(({ refused }) => refused.length >= mostRefusals)
    if (isLost || after > upPatience) {
      return yield* new AgentsNotRunning({
        after,
        nodes: missing.map(({ refused, state: { node, reason, state } }) => ({
          node,
          state: refused[0]?.Status.State ?? state,
          reason: refused[0]?.Status.Err ?? reason
        }))
      })
    }
    yield* Effect.sleep(pause)
  }
})

/** Done when every agent has told its key in its log, which is when it listens. */
const awaitListening = Effect.fnUntraced(function* (start: number) {
  const { listNodes } = yield* Swarm
  const listening = new Set<string>()
  const since = yield* Clock.currentTimeMillis
  while (true) {
    // Swarm may have replaced an agent meanwhile: a node that was out of reach gets another one when it is back.
    const [{ byNode }, nodes] = yield* Effect.all([runningAgents, listNodes()], { concurrency: 2 })
    const silent = nodes.filter(takesTasks).flatMap((node) => {
      const agent = byNode.get(node.ID)
      return agent === undefined || listening.has(agent.task) ? [] : [{ agent, hostname: node.Description.Hostname }]
    })
    if (silent.length === 0) return
    const now = yield* Clock.currentTimeMillis
    if (now - since > listenPatience) {
      const reason = "it has not reported its key in its log"
      return yield* new AgentsNotRunning({
        after: now - start,
        nodes: silent.map(({ hostname }) => ({ node: hostname, state: "running", reason }))
      })
    }
    yield* Effect.forEach(
      silent,
      ({ agent }) =>
        awaitNotice(agent).pipe(
          Effect.andThen(Effect.sync(() => listening.add(agent.task))),
          Effect.timeoutOption("20 seconds")
        ),
      { concurrency: 8, discard: true }
    )
  }
})

/** Done when no agent with another key takes new callers. A node that is not ready runs what it likes, and is not asked. */
const awaitRetired = Effect.fnUntraced(function* (key: string) {
  const { listNodes, listTasks } = yield* Swarm
  const start = yield* Clock.currentTimeMillis
  while (true) {
    const [tasks, nodes] = yield* Effect.all([listTasks({ service: [agentService] }), listNodes()], { concurrency: 2 })
    const ready = new Map(nodes.filter(takesTasks).map(({ Description, ID }) => [ID, Description.Hostname]))
    const listening = yield* Effect.filter(tasks.filter(isOld(key)), takesCallers, { concurrency: 8 })
    const left = listening.flatMap(({ NodeID = "" }) => ready.get(NodeID) ?? [])
    if (left.length === 0) return
    if ((yield* Clock.currentTimeMillis) - start > retirePatience) return yield* new OldKeyInUse({ nodes: left })
    yield* Effect.sleep(pause)
  }
})

/** Agents of other protocols say nothing of themselves; they close their port when Swarm tells them to end. */
const isOld =
  (key: string) =>
  ({ Spec, Status }: Task): boolean => {
    const labels = Spec.ContainerSpec?.Labels ?? {}
    const speaks = labels[agentLabels.protocol] === String(protocolVersion)
    return Status.State === "running" && speaks && labels[agentLabels.key] !== key
  }

const takesCallers = ({ ID, NodeID = "" }: Task) =>
  Effect.map(readNotice({ node: NodeID, task: ID }), (notice) => notice?.isRetired !== true)

/** The tasks of the service, as it is now, that the node could not start; the newest first. */
const refusalsOn = ({ ID }: Node, tasks: ReadonlyArray<Task>, service: Service): ReadonlyArray<Task> =>
  tasks
    .filter((task) => task.NodeID === ID && refusals.has(task.Status.State) && isOf(task, service))
    .toSorted(newestFirst)
