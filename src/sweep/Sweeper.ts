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

/** A node, by what the sweep calls it. */
export interface SweptNode {
  readonly id: string
  readonly hostname: string
}

/** What the sweepers are made of, and what they are to do. */
export interface SweeperOptions extends SweepMode {
  readonly image: string
  /** The nodes to look at. */
  readonly nodes: ReadonlyArray<SweptNode>
  /** ID of the node that is left out, because the connected engine is on it. */
  readonly connectedNode: string
  /** IDs of the services whose containers are Swarm's to remove. */
  readonly services: ReadonlyArray<string>
  /** Milliseconds until every node must have reported. */
  readonly patience: number
}

/** What became of one node. */
export type NodeAnswer =
  | { readonly _tag: "Swept"; readonly node: SweptNode; readonly findings: Findings }
  | { readonly _tag: "Silent"; readonly node: SweptNode; readonly reason: string }

/** How long one reading of the log may take until it is begun again, in milliseconds. */
const readingPatience = 1500
/** How often the whole log of a sweeper that ended is read. */
const finalReads = 3
/** Time that a sweeper has to end when it is to stop, in milliseconds. */
const stopGrace = 2000

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(NodeSweepRequest))

/**
 * Sweeps the containers of these nodes and waits for their reports, for a bounded time. A node that does not answer is
 * named, with what Swarm says about it. The service and its secret are gone when the effect is done.
 */
export const sweepNodes = Effect.fn("Sweep.nodes")(function* (
  options: SweeperOptions
): Effect.fn.Return<ReadonlyArray<NodeAnswer>, SwarmFailure | RequestTooLarge, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const fresh = yield* makeOwnership(options.patience)
  const { dryRun, nodes, selection, services } = options
  // Also for a sweep that takes another time for now: its own objects are alive then.
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
  /** Why a node won't report. */
  const refused = new Map<string, string>()
  const tasks = new Map<string, Task>()
  const readsAfterEnd = new Map<string, number>()
  /** What went wrong with the last question about the tasks. */
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

  /** Reads the log from its beginning until these nodes have reported. */
  const read = (awaited: ReadonlyArray<SweptNode>) =>
    Effect.gen(function* () {
      const log = yield* swarm.serviceLogs(service, { follow: true, details: true })
      const reader = new ReportReader()
      yield* Stream.runForEachWhile(log, (chunk) =>
        Effect.sync(() => push(reader, chunk) && awaited.some(({ id }) => !reports.has(id)))
      )
    }).pipe(
      Effect.scoped,
      // A follow may miss what it should have, and never ends by itself.
      Effect.timeoutOption(readingPatience),
      Effect.catch((error) => Effect.logDebug(`cannot read the log of the sweepers: ${error.message}`))
    )

  const look = swarm.listTasks({ service: [service] }).pipe(
    Effect.match({
      onSuccess: (found) => {
        trouble = undefined
        for (const task of found) {
          const { CreatedAt, NodeID: node } = task
          // The first one's word counts; Swarm may start another.
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

/** What a node found is on that node, whatever its report calls it. */
const foundOn = ({ hostname }: SweptNode, { alive, leftovers, unreadable }: Findings): Findings => ({
  leftovers: leftovers.map((one) => ({ ...one, node: hostname })),
  unreadable: unreadable.map((one) => ({ ...one, node: hostname })),
  alive: alive.map((one) => ({ ...one, node: hostname }))
})

const hasStarted = (task: Task | undefined): boolean => {
  const state = task?.Status.State ?? "new"
  return state !== "rejected" && (state === "running" || isFinalTaskState(state))
}

/** Swarm's words. */
const describe = (task: Task | undefined, { image }: SweeperOptions): string => {
  if (task === undefined) return "no task"
  const { Err, Message, State } = task.Status
  return `${State}: ${Err ?? Message}; image ${image}`
}
