/**
 * The temporary service that sweeps the containers of the other nodes. It runs one task, a sweeper, on each node, which sends one report.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { protocolVersion } from "../carrier/Frame.ts"
import { DemuxError } from "../engine/Demux.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { summaryOf } from "../engine/Hints.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { isFinalTaskState, type Task } from "../engine/SwarmSchemas.ts"
import type { RequestTooLarge } from "../helper/ConnectionErrors.ts"
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
  /** ID of the connected engine's node, which needs no sweeper. */
  readonly connectedNode: string
  /** IDs of task-exec's services, whose containers Swarm removes. */
  readonly services: ReadonlyArray<string>
  /** Milliseconds within which every node must report. */
  readonly timeout: number
}

/** The result for one node. */
export type NodeResult =
  | { readonly _tag: "Swept"; readonly node: SweptNode; readonly findings: Findings }
  | { readonly _tag: "Unswept"; readonly node: SweptNode; readonly reason: string }

/** Milliseconds after which the log is read again from its start. */
const readTimeout = 1500
/** The number of times that the log is read after a sweeper has ended. */
const finalReads = 3
/** The grace period of a sweeper, in milliseconds. */
const stopGrace = 2000

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(NodeSweepRequest))

/**
 * Sweeps the containers of these nodes, and waits for their reports for at most `timeout` milliseconds. Returns Swarm's reason for a node
 * that does not report. Removes the service and its secret.
 */
export const sweepNodes = Effect.fn("Sweep.nodes")(function* (
  options: SweeperOptions
): Effect.fn.Return<ReadonlyArray<NodeResult>, SwarmFailure | RequestTooLarge, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const fresh = yield* makeOwnership(options.timeout)
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

  const { spec } = yield* openTemporaryService({
    owner,
    role: "sweeper",
    image: options.image,
    command: imageCommands.sweepNode,
    request,
    mode: "global",
    // Swarm starts a task on every node that is ready and active.
    constraints: [`node.id!=${options.connectedNode}`, "node.platform.os!=windows"],
    network: bridgeNetwork,
    stopGrace,
    restarts: "never"
  })
  return yield* gatherReports(swarm, spec.Name, options)
}, Effect.scoped)

const gatherReports = Effect.fnUntraced(function* (swarm: SwarmShape, service: string, options: SweeperOptions) {
  const { nodes, timeout } = options
  const reports = new Map<string, NodeReport>()
  /** The reasons of nodes that will not report. */
  const refused = new Map<string, string>()
  const tasks = new Map<string, Task>()
  const readsAfterEnd = new Map<string, number>()
  /** The error of the last request for the tasks, if it failed. */
  let listError: string | undefined
  const open = () => nodes.filter(({ id }) => !reports.has(id) && !refused.has(id))

  const push = (reader: ReportReader, chunk: Uint8Array) => {
    try {
      for (const report of reader.push(chunk)) if (!reports.has(report.node)) reports.set(report.node, report)
      return true
    } catch (error) {
      // A stream that ends in the middle of a record means a broken connection. The log is read again.
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
    // A timeout, because a followed log may miss lines and does not end by itself.
    Effect.timeoutOption(readTimeout),
    Effect.catch((error) => Effect.logDebug(`cannot read the log of the sweepers: ${error.message}`))
  )

  const updateTasks = swarm.listTasks({ service: [service] }).pipe(
    Effect.match({
      onSuccess: (found) => {
        listError = undefined
        for (const task of found) {
          const { CreatedAt, NodeID: node } = task
          // The first task of a node counts. Swarm may start another one.
          if (node !== undefined && (tasks.get(node)?.CreatedAt ?? CreatedAt) >= CreatedAt) tasks.set(node, task)
        }
      },
      onFailure: (error) => {
        listError = summaryOf(error)
      }
    })
  )

  const gatherAll = Effect.gen(function* () {
    for (let wait = 50; open().length > 0; wait = Math.min(wait * 1.5, 500)) {
      yield* updateTasks
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

  yield* Effect.raceFirst(gatherAll, Effect.sleep(timeout))
  return nodes.map((node): NodeResult => {
    const result = reports.get(node.id)?.result
    if (result?._tag === "Swept") return { _tag: "Swept", node, findings: foundOn(node, result.findings) }
    const reason =
      result?.detail ??
      refused.get(node.id) ??
      `no report within ${timeout / 1000} s (${listError ?? `its sweeper: ${describe(tasks.get(node.id), options)}`})`
    return { _tag: "Unswept", node, reason }
  })
})

/** Sets the node of all findings, because a node must report about itself only. */
const foundOn = ({ hostname }: SweptNode, { alive, leftovers, unreadable }: Findings): Findings => ({
  leftovers: leftovers.map((object) => ({ ...object, node: hostname })),
  unreadable: unreadable.map((object) => ({ ...object, node: hostname })),
  alive: alive.map((object) => ({ ...object, node: hostname }))
})

const hasStarted = (task: Task | undefined): boolean => {
  const state = task?.Status.State ?? "new"
  return state !== "rejected" && (state === "running" || isFinalTaskState(state))
}

/** Describes the state of a sweeper's task, with Swarm's text. */
const describe = (task: Task | undefined, { image }: SweeperOptions): string => {
  if (task === undefined) return "no task"
  const { Err, Message, State } = task.Status
  return `${State}: ${Err ?? Message}; image ${image}`
}
