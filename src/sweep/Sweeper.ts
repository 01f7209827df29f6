/** The temporary service that sweeps the containers of the other nodes: one task on each, one report from each. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { protocolVersion } from "../carrier/Frame.ts"
import { DemuxError } from "../engine/Demux.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { isFinalTaskState, type Task } from "../engine/EngineSchemas.ts"
import { summaryOf } from "../engine/Hints.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import type { RequestTooLarge } from "../helper/HelperErrors.ts"
import { bridgeNetwork, openTemporaryService } from "../helper/TemporaryService.ts"
import { imageCommands } from "../ImageCommands.ts"
import { makeOwnership } from "../Labels.ts"
import type { Findings, SweepMode } from "./Findings.ts"
import { type NodeReport, NodeSweepRequest } from "./NodeSweep.ts"
import { ReportReader } from "./ReportReader.ts"

/** A node that a sweep checks. */
export interface SweptNode {
  readonly id: string
  readonly hostname: string
}

/** Options of {@link sweepNodes}. */
export interface SweeperOptions extends SweepMode {
  readonly image: string
  /** The nodes to check. */
  readonly nodes: ReadonlyArray<SweptNode>
  /** ID of the connected engine's node, which gets no sweeper. */
  readonly connectedNode: string
  /** IDs of the services whose containers Swarm removes. */
  readonly services: ReadonlyArray<string>
  /** Milliseconds until every node must have reported. */
  readonly patience: number
}

/** The result for one node. */
export type NodeAnswer =
  | { readonly _tag: "Swept"; readonly node: SweptNode; readonly findings: Findings }
  | { readonly _tag: "Silent"; readonly node: SweptNode; readonly reason: string }

/** Milliseconds after which a reading of the log is restarted. */
const readingPatience = 1500
/** How often the whole log of a sweeper that has ended is read. */
const finalReads = 3
/** The grace period of a sweeper, in milliseconds. */
const stopGrace = 2000

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(NodeSweepRequest))

/**
 * Sweeps the containers of these nodes and waits for their reports, for at most `patience` milliseconds. Returns Swarm's reason for a
 * node that does not report. Removes the service and its secret.
 */
export const sweepNodes = Effect.fn("Sweep.nodes")(function* (
  options: SweeperOptions
): Effect.fn.Return<ReadonlyArray<NodeAnswer>, SwarmFailure | RequestTooLarge, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const fresh = yield* makeOwnership(options.patience)
  const { dryRun, nodes, selection, services } = options
  // A sweep with a later `now` must not remove its own objects.
  const now = yield* Clock.currentTimeMillis
  const ahead = selection._tag === "PastDeadline" ? Math.max(0, selection.now - now) : 0
  const owner = { ...fresh, deadline: fresh.deadline + ahead }
  const request = encodeRequest({
    protocol: protocolVersion,
    dryRun,
    selection,
    runId: owner.runId,
    services,
    nodes: Object.fromEntries(nodes.map(({ hostname, id }) => [id, hostname]))
  })

  const { Name } = yield* openTemporaryService({
    owner,
    role: "sweeper",
    image: options.image,
    command: imageCommands.sweepNode,
    request,
    mode: "global",
    // Swarm gives a task to every node that is ready and active.
    constraints: [`node.id!=${options.connectedNode}`, "node.platform.os!=windows"],
    network: bridgeNetwork,
    stopGrace,
    restarts: "never"
  })
  return yield* gatherReports(swarm, Name, options)
}, Effect.scoped)

const gatherReports = Effect.fnUntraced(function* (swarm: SwarmShape, service: string, options: SweeperOptions) {
  const { nodes, patience } = options
  const reports = new Map<string, NodeReport>()
  /** The reasons of nodes that won't report. */
  const refused = new Map<string, string>()
  const tasks = new Map<string, Task>()
  const readsAfterEnd = new Map<string, number>()
  /** The error of the last request for the tasks. */
  let trouble: string | undefined
  const open = () => nodes.filter(({ id }) => !reports.has(id) && !refused.has(id))

  const push = (reader: ReportReader, chunk: Uint8Array) => {
    try {
      for (const report of reader.push(chunk)) if (!reports.has(report.node)) reports.set(report.node, report)
      return true
    } catch (error) {
      // A stream that is cut in the middle of a record is a broken connection: the log is read again.
      if (error instanceof DemuxError) return false
      throw error
    }
  }

  /** Reads the log from its start until these nodes have reported. */
  const read = Effect.fnUntraced(
    function* (awaited: ReadonlyArray<SweptNode>) {
      const log = yield* swarm.serviceLogs(service, { follow: true, details: true })
      const reader = new ReportReader()
      yield* Stream.runForEachWhile(log, (chunk) =>
        Effect.sync(() => push(reader, chunk) && awaited.some(({ id }) => !reports.has(id)))
      )
    },
    Effect.scoped,
    // A followed log may miss lines, and does not end by itself.
    Effect.timeoutOption(readingPatience),
    Effect.catch((error) => Effect.logDebug(`cannot read the log of the sweepers: ${error.message}`))
  )

  const look = swarm.listTasks({ service: [service] }).pipe(
    Effect.match({
      onSuccess: (found) => {
        trouble = undefined
        for (const task of found) {
          const { CreatedAt, NodeID: node } = task
          // The first task counts. Swarm may start another one.
          if (node !== undefined && (tasks.get(node)?.CreatedAt ?? CreatedAt) >= CreatedAt) tasks.set(node, task)
        }
      },
      onFailure: (error) => {
        trouble = summaryOf(error)
      }
    })
  )

  const everything = Effect.gen(function* () {
    for (let wait = 50; open().length > 0; wait = Math.min(wait * 1.5, 500)) {
      yield* look
      const started = open().filter(({ id }) => hasStarted(tasks.get(id)))
      const ended = started.filter(({ id }) => isFinalTaskState(tasks.get(id)?.Status.State ?? ""))
      if (started.length > 0) yield* read(started)
      for (const { id } of ended) {
        const reads = (readsAfterEnd.get(id) ?? 0) + 1
        readsAfterEnd.set(id, reads)
        if (reads >= finalReads) refused.set(id, `its sweeper sent no report (${describe(tasks.get(id), options)})`)
      }
      for (const { id } of open()) {
        const task = tasks.get(id)
        if (task?.Status.State === "rejected") refused.set(id, `it cannot start a sweeper (${describe(task, options)})`)
      }
      if (open().length > 0) yield* Effect.sleep(wait)
    }
  })

  yield* Effect.raceFirst(everything, Effect.sleep(patience))
  return nodes.map((node): NodeAnswer => {
    const result = reports.get(node.id)?.result
    if (result?._tag === "Swept") return { _tag: "Swept", node, findings: foundOn(node, result.findings) }
    const reason =
      result?.detail ??
      refused.get(node.id) ??
      `no report within ${patience / 1000} s (${trouble ?? `its sweeper: ${describe(tasks.get(node.id), options)}`})`
    return { _tag: "Silent", node, reason }
  })
})

/** Sets the node of findings: a node reports about itself only. */
const foundOn = ({ hostname }: SweptNode, { alive, leftovers, unreadable }: Findings): Findings => ({
  leftovers: leftovers.map((one) => ({ ...one, node: hostname })),
  unreadable: unreadable.map((one) => ({ ...one, node: hostname })),
  alive: alive.map((one) => ({ ...one, node: hostname }))
})

const hasStarted = (task: Task | undefined): boolean => {
  const state = task?.Status.State ?? "new"
  return state !== "rejected" && (state === "running" || isFinalTaskState(state))
}

/** Swarm's text about a sweeper's task. */
const describe = (task: Task | undefined, { image }: SweeperOptions): string => {
  if (task === undefined) return "no task"
  const { Err, Message, State } = task.Status
  return `${State}: ${Err ?? Message}; image ${image}`
}
