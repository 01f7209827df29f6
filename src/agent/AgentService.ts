/** Deploys, updates, lists and removes the agents' service. */

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

/** Milliseconds in which every node must have an agent, including the pull of its image. */
const upPatience = 300_000
/** Milliseconds after which the refusals of a node count as final. */
const refusalPatience = 15_000
const pause = 250
/** Milliseconds that a stopped agent may go on serving commands: a day. */
const drainGrace = 24 * 3600_000
/** Milliseconds in which a running agent must listen. */
const listenPatience = 60_000
/** Milliseconds in which a replaced agent must refuse new callers. */
const retirePatience = 30_000
/** The most nodes that the agents' network has addresses for: its range can't grow. */
const mostNodes = 4000
/** The time in which Swarm must release the network of the removed service. */
const networkPatience = "10 seconds"
/** The time in which the connected engine must drop the removed network. Its own agent ends first, after 4 seconds on an idle machine. */
const listedPatience = "15 seconds"

/** The agent of one node, or the reason why it has none. */
export interface AgentState {
  /** Host name of the node. */
  readonly node: string
  /** The state of the agent's task, or `none`. */
  readonly state: string
  /** The engine's reason why it does not run, if there is one. */
  readonly reason: string
  /** The agent's version of task-exec; empty without an agent. */
  readonly version: string
  /** Whether it runs with the service's version, image and callers' key. */
  readonly isCurrent: boolean
}

/** Some nodes have no current agent. */
export class AgentsNotRunning extends Schema.TaggedError<AgentsNotRunning>()("AgentsNotRunning", {
  /** The time waited, in milliseconds. */
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

/** Options of {@link agentsUp}. */
export interface AgentsUpOptions {
  /** Image of the agents; default: that of the `HelperImage` layer. */
  readonly image?: string
  /** Creates a new key pair for callers. The old one is then refused. */
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

/** The result of {@link agentsUp}. */
export type AgentsUpResult = "created" | "updated" | "unchanged"

/**
 * Deploys an agent of this version on every node that accepts tasks, and waits until all of them listen.
 *
 * **Details**: creates the service, or updates it if its version or image differ. Replaced agents end when the commands that they serve
 * have ended. Fails with `AgentsNotRunning` if a node gets no agent, and with `OldKeyInUse` if a replaced agent does not report that it
 * accepts no new callers.
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
  // An earlier "agent down" may have left networks of agents that served commands.
  yield* Effect.catchIf(
    removeNetworks((name) => name !== network),
    isInUse,
    () => Effect.void
  )
  return found === undefined ? "created" : "updated"
})

/** Returns the agents of all nodes that accept tasks, sorted by the nodes' host names. Empty without the agents' service. */
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

/** Returns the agent of every node that accepts tasks; `undefined` without the agents' service. */
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
 * Creates the network of one deployment, with a name of its own: engine 20.10 may list a removed network for half a minute after it
 * rejected tasks, and services that ask for that name then fail.
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

/** Removes networks of agents. Returns their names. */
const removeNetworks = (isToGo: (name: string) => boolean) =>
  Effect.gen(function* () {
    const swarm = yield* Swarm
    const networks = yield* swarm.listNetworks({ label: [agentLabels.version] })
    const old = networks.filter(({ Name }) => isToGo(Name))
    yield* Effect.forEach(old, ({ Name }) => dropNetwork(swarm, Name), { discard: true })
    return old.map(({ Name }) => Name)
  })

/** Returns a new name for an object of a deployment. */
const freshName = (): string => `${agentService}-${randomBytes(6).toString("hex")}`

/** Creates a key pair for callers. Returns its public half. No task mounts the config, so it reaches no worker. */
const makeKey = Effect.gen(function* () {
  const { createConfig } = yield* Swarm
  const pair = makeKeyPair()
  const labels = { [agentLabels.version]: version, [agentLabels.key]: pair.publicKey }
  yield* createConfig({ name: freshName(), labels, data: Buffer.from(writeKeyPair(pair)) })
  return pair.publicKey
})

/** Keeps the key pair, or creates another one if it is missing or unreadable. */
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
    // The new agent starts first, so that callers always find one.
    UpdateConfig: { Parallelism: 0, Order: "start-first" },
    TaskTemplate: {
      ContainerSpec: { ...container, Mounts: [...(container.Mounts ?? []), folder] },
      RestartPolicy: restartPolicy("always"),
      Networks: [{ Target: network }],
      LogDriver: { Name: "json-file", Options: { "max-size": "10m", "max-file": "2" } }
    }
  }
}

/** Whether Swarm starts tasks of a global service on the node. */
const takesTasks = ({ Spec, Status }: Node): boolean => Status.State === "ready" && Spec.Availability === "active"

const stateOf = ({ Description, ID }: Node, tasks: ReadonlyArray<Task>, service: Service): AgentState => {
  const onNode = tasks.filter(({ NodeID }) => NodeID === ID).toSorted(newestFirst)
  // After a rollback of the service, an older task goes on.
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

/** Whether a task has the current labels of its service. */
const isOf = ({ Spec: { ContainerSpec } }: Task, { Spec }: Service): boolean =>
  Object.values(agentLabels).every((label) => ContainerSpec?.Labels[label] === Spec.Labels[label])

/** The number of refusals after which a node's refusal can be final. */
const mostRefusals = 2
const refusals: ReadonlySet<string> = new Set(["rejected", "failed"])

/** Waits until every node has a current agent that listens. */
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

/** Waits until every agent has reported its key in its log, which it does when it listens. */
const awaitListening = Effect.fnUntraced(function* (start: number) {
  const { listNodes } = yield* Swarm
  const listening = new Set<string>()
  const since = yield* Clock.currentTimeMillis
  while (true) {
    // Swarm replaces the agent of a node that was unreachable for a while.
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

/** Waits until no agent with another key accepts new callers. Skips nodes that are not ready: they can't be checked. */
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

/** Whether a running agent has another key. Agents of other protocols don't count: they close their port when they are stopped. */
const isOld =
  (key: string) =>
  ({ Spec, Status }: Task): boolean => {
    const labels = Spec.ContainerSpec?.Labels ?? {}
    const speaks = labels[agentLabels.protocol] === String(protocolVersion)
    return Status.State === "running" && speaks && labels[agentLabels.key] !== key
  }

const takesCallers = ({ ID, NodeID = "" }: Task) =>
  Effect.map(readNotice({ node: NodeID, task: ID }), (notice) => notice?.isRetired !== true)

/** Returns the tasks of the current service that the node could not start, newest first. */
const refusalsOn = ({ ID }: Node, tasks: ReadonlyArray<Task>, service: Service): ReadonlyArray<Task> =>
  tasks
    .filter((task) => task.NodeID === ID && refusals.has(task.Status.State) && isOf(task, service))
    .toSorted(newestFirst)
