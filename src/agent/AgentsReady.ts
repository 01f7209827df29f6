/** Waits until agents listen, and until replaced agents refuse new callers. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { protocolVersion } from "../carrier/Frame.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { Task } from "../engine/SwarmSchemas.ts"
import { AgentsNotRunning, OldKeyInUse } from "./AgentErrors.ts"
import { awaitNotice, readNotice } from "./AgentLog.ts"
import { agentLabels, agentService } from "./AgentProtocol.ts"
import { listAgents, takesTasks } from "./AgentState.ts"
import { runningAgents } from "./Agents.ts"

/** Milliseconds within which every node must have an agent, including the pull of its image. */
const upTimeout = 300_000
/** Milliseconds after which the rejections of a node count as final. */
const refusalTimeout = 15_000
/** Milliseconds between two checks. */
const pause = 250
/** Milliseconds within which a running agent must listen. */
const listenTimeout = 60_000
/** Milliseconds within which a replaced agent must refuse new callers. */
const retireTimeout = 30_000
/** The number of rejected tasks after which a node's rejections can count as final. */
const mostRefusals = 2

/** Waits until every node has a current agent that listens. */
export const awaitAgents = Effect.gen(function* () {
  const start = yield* Clock.currentTimeMillis
  while (true) {
    const deployment = yield* listAgents
    if (deployment === undefined) return yield* new AgentsNotRunning({ after: 0, nodes: [] })
    const missing = deployment.nodes.filter(({ state }) => !state.isCurrent)
    if (missing.length === 0) return yield* awaitListening(start)
    const after = (yield* Clock.currentTimeMillis) - start
    const isLost = after > refusalTimeout && missing.every(({ refused }) => refused.length >= mostRefusals)
    if (isLost || after > upTimeout) {
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

/** Waits until every agent has reported its key in its log. An agent does so when it listens. */
const awaitListening = Effect.fnUntraced(function* (start: number) {
  const { listNodes } = yield* Swarm
  const listening = new Set<string>()
  const since = yield* Clock.currentTimeMillis
  while (true) {
    // Lists the agents anew each time, because Swarm replaces the agent of a node that was unreachable for a while.
    const [{ byNode }, nodes] = yield* Effect.all([runningAgents, listNodes()], { concurrency: 2 })
    const silent = nodes.filter(takesTasks).flatMap((node) => {
      const agent = byNode.get(node.ID)
      return agent === undefined || listening.has(agent.task) ? [] : [{ agent, hostname: node.Description.Hostname }]
    })
    if (silent.length === 0) return
    const now = yield* Clock.currentTimeMillis
    if (now - since > listenTimeout) {
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

/** Waits until no agent with another key accepts new callers. Skips nodes that are not ready, because they can't be checked. */
export const awaitRetired = Effect.fnUntraced(function* (key: string) {
  const { listNodes, listTasks } = yield* Swarm
  const start = yield* Clock.currentTimeMillis
  while (true) {
    const [tasks, nodes] = yield* Effect.all([listTasks({ service: [agentService] }), listNodes()], { concurrency: 2 })
    const ready = new Map(nodes.filter(takesTasks).map(({ Description, ID }) => [ID, Description.Hostname]))
    const listening = yield* Effect.filter(tasks.filter(isOld(key)), takesCallers, { concurrency: 8 })
    const left = listening.flatMap(({ NodeID = "" }) => ready.get(NodeID) ?? [])
    if (left.length === 0) return
    if ((yield* Clock.currentTimeMillis) - start > retireTimeout) return yield* new OldKeyInUse({ nodes: left })
    yield* Effect.sleep(pause)
  }
})

/** Whether a running agent has another key. Agents of other protocol versions don't count, because they close their port when stopped. */
const isOld =
  (key: string) =>
  ({ Spec, Status }: Task): boolean => {
    const labels = Spec.ContainerSpec?.Labels ?? {}
    const hasThisProtocol = labels[agentLabels.protocol] === String(protocolVersion)
    return Status.State === "running" && hasThisProtocol && labels[agentLabels.key] !== key
  }

const takesCallers = ({ ID, NodeID = "" }: Task) =>
  Effect.map(readNotice({ node: NodeID, task: ID }), (notice) => notice?.isRetired !== true)
