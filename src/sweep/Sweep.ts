/**
 * The sweep removes leftovers: the objects of callers that were killed before they could remove them.
 *
 * Every object of task-exec has labels with its run and its deadline (see `Labels.ts`). A sweep removes objects past their deadline, or
 * the objects of given runs, and nothing else.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { Node } from "../engine/SwarmSchemas.ts"
import { inInventory } from "../executor/RunInventory.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import { sweepContainers } from "./ContainerSweep.ts"
import { type Findings, joinFindings, type SweepMode } from "./Findings.ts"
import { sweepManagers } from "./ManagerSweep.ts"
import { type NodeResult, type SweptNode, sweepNodes } from "./Sweeper.ts"
import type { Selection } from "./Verdict.ts"

/**
 * Options of {@link sweep}.
 *
 * @category leftovers
 * @since 0.1.0
 */
export interface SweepOptions {
  /** Remove nothing; default `false`. */
  readonly dryRun?: boolean
  /** The time to compare deadlines with, in Unix milliseconds; default: the present. */
  readonly now?: number
  /**
   * IDs of runs (label `task-exec.run`). Removes the objects of these runs whatever their deadline, and nothing else. Commands of these
   * runs that still run are killed.
   */
  readonly runs?: ReadonlyArray<string>
  /**
   * The nodes whose containers to check: `all` nodes (the default), through a temporary service, or only the connected engine's node
   * (`local`). Services, secrets and networks are checked if the connected engine is a manager. `all` requires a manager.
   */
  readonly nodes?: "all" | "local"
  /** Image of the temporary service; default: that of the `HelperImage` layer. */
  readonly image?: string
  /** The time within which the other nodes must report; default 30 seconds. */
  readonly placementTimeout?: Duration.Input
}

/**
 * A node whose containers were not checked.
 *
 * @category leftovers
 * @since 0.1.0
 */
export interface UnsweptNode {
  /** ID of the node; empty for an engine that is not part of a swarm. */
  readonly id: string
  readonly hostname: string
  readonly reason: string
}

/**
 * The result of {@link sweep}.
 *
 * @category leftovers
 * @since 0.1.0
 */
export interface SweepReport extends Findings {
  /** Host names of the nodes whose containers were checked. */
  readonly nodes: ReadonlyArray<string>
  /** The nodes whose containers could not be checked. */
  readonly unanswered: ReadonlyArray<UnsweptNode>
}

/**
 * Whether no leftovers remain: every leftover was removed, every object could be read, and every node was checked.
 *
 * @category leftovers
 * @since 0.1.0
 */
export const isClean = ({ leftovers, unanswered, unreadable }: SweepReport): boolean =>
  leftovers.every(({ removed }) => removed) && unreadable.length === 0 && unanswered.length === 0

/**
 * Removes the services, secrets, networks and containers of task-exec that are past their deadline, or those of the runs in `runs`.
 *
 * **When to use**: to remove the objects of callers that were killed. Each run also removes leftovers with {@link sweepSwarm}.
 *
 * **Details**: the report names the objects that can't be removed and the nodes that don't respond. Fails only if the connected engine does
 * not respond, or if it is not a manager and `nodes` is `all`. An object that another program removes meanwhile counts as removed. Swarm
 * removes a service's containers shortly after the service.
 *
 * **Gotchas**: deadlines are compared with the earlier of this machine's time and the engine's time. They include a margin of two minutes
 * for clocks that differ.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { HelperImage, isClean, Swarm, sweep } from "task-exec"
 *
 * const clean = sweep({ dryRun: true }).pipe(
 *   Effect.map(isClean),
 *   Effect.provide(HelperImage.layer.pipe(Layer.provideMerge(Swarm.layer)))
 * )
 * ```
 *
 * @category leftovers
 * @since 0.1.0
 */
export const sweep = Effect.fn("TaskExec.sweep")(function* (
  options: SweepOptions = {}
): Effect.fn.Return<SweepReport, SwarmFailure, Swarm | HelperImage> {
  const swarm = yield* Swarm
  const { Name: hostname, Swarm: own, SystemTime } = yield* swarm.info
  // The engine of the manager that responded to `info`.
  const engine = yield* swarm.engine
  const selection: Selection =
    options.runs === undefined
      ? { _tag: "PastDeadline", now: options.now ?? earliest(yield* Clock.currentTimeMillis, SystemTime) }
      : { _tag: "OfRuns", runs: options.runs }
  const mode: SweepMode = { dryRun: options.dryRun ?? false, selection }
  const everywhere = (options.nodes ?? "all") === "all"
  const connected: SweptNode = { id: own.NodeID, hostname }
  const managers =
    everywhere || own.ControlAvailable
      ? yield* sweepManagers(mode)
      : { leftovers: [], unreadable: [], alive: [], services: undefined }
  const nodes = everywhere ? yield* swarm.listNodes() : []
  const others = nodes.filter(({ Description, ID }) => ID !== connected.id && Description.Platform.OS !== "windows")

  const [local, remote] = yield* Effect.all(
    [
      sweepContainers({ ...mode, node: hostname, services: managers.services }).pipe(
        Effect.provideService(DockerEngine, engine),
        Effect.match({
          onSuccess: (findings): NodeResult => ({ _tag: "Swept", node: connected, findings }),
          onFailure: (error): NodeResult => ({ _tag: "Unswept", node: connected, reason: error.message })
        })
      ),
      sweepOthers(mode, options, connected, others, managers.services ?? [])
    ],
    { concurrency: 2 }
  )
  const results = [local, ...remote]
  const found = results.flatMap((result) => (result._tag === "Swept" ? [result.findings] : []))
  return {
    ...joinFindings([managers, ...found]),
    nodes: results.flatMap(({ _tag, node }) => (_tag === "Swept" ? [node.hostname] : [])),
    unanswered: results.flatMap((result) =>
      result._tag === "Unswept" ? [{ ...result.node, reason: result.reason }] : []
    )
  }
})

/**
 * Removes services, secrets and networks that are past their deadline. This is the part of {@link sweep} that starts nothing on other
 * nodes.
 *
 * **Details**: sends only four requests, to a manager, if there are no leftovers. The report has no nodes, because no containers are
 * checked.
 *
 * @category leftovers
 * @since 0.2.0
 */
export const sweepSwarm = Effect.fn("TaskExec.sweepSwarm")(function* (
  options: { readonly dryRun?: boolean; readonly now?: number } = {}
): Effect.fn.Return<SweepReport, SwarmFailure, Swarm> {
  const { info } = yield* Swarm
  const now = options.now ?? earliest(yield* Clock.currentTimeMillis, (yield* info).SystemTime)
  const { alive, leftovers, unreadable } = yield* sweepManagers({
    dryRun: options.dryRun ?? false,
    selection: { _tag: "PastDeadline", now }
  })
  return { leftovers, unreadable, alive, nodes: [], unanswered: [] }
})

/** Returns the earlier of two times, because a fast clock would turn the objects of live runs into leftovers. `other`: RFC 3339. */
const earliest = (own: number, other: string): number => {
  const millis = Date.parse(other)
  return Number.isNaN(millis) ? own : Math.min(own, millis)
}

/** Sweeps the containers of the other nodes that can run a sweeper. Returns the reason for nodes that can't. */
const sweepOthers = Effect.fnUntraced(function* (
  mode: SweepMode,
  { image, placementTimeout = "30 seconds" }: SweepOptions,
  connected: SweptNode,
  others: ReadonlyArray<Node>,
  services: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<NodeResult>, never, Swarm | HelperImage> {
  const swept = others.filter(isReady).map(nameOf)
  const unswept = others
    .filter((node) => !isReady(node))
    .map((node): NodeResult => ({ _tag: "Unswept", node: nameOf(node), reason: whyNotReady(node) }))
  if (swept.length === 0) return unswept
  const images = yield* HelperImage
  const results = yield* sweepNodes({
    ...mode,
    image: yield* image === undefined ? images.reference : images.pin(image),
    nodes: swept,
    connectedNode: connected.id,
    services,
    timeout: Duration.toMillis(Duration.fromInputUnsafe(placementTimeout))
  }).pipe(
    Effect.catch((error) =>
      Effect.succeed(swept.map((node): NodeResult => ({ _tag: "Unswept", node, reason: error.message })))
    ),
    inInventory
  )
  return [...results, ...unswept]
})

const isReady = ({ Spec, Status }: Node): boolean => Status.State === "ready" && Spec.Availability === "active"

const nameOf = ({ Description, ID }: Node): SweptNode => ({ id: ID, hostname: Description.Hostname })

const whyNotReady = ({ Spec, Status }: Node): string =>
  Status.State === "ready"
    ? `its availability is ${Spec.Availability}. Make it active, or run "task-exec gc --local" on it.`
    : `the node is ${Status.State}. Check its engine.`
