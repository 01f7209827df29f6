/**
 * The sweep: removes leftovers of callers that were killed before they could clean up.
 *
 * Every object of task-exec has labels with its run and its deadline (see `Labels.ts`). A sweep removes objects past their deadline, or
 * the objects of given runs, and nothing else.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { Node } from "../engine/EngineSchemas.ts"
import { Swarm } from "../engine/Swarm.ts"
import { inInventory } from "../executor/RunInventory.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import { sweepContainers } from "./ContainerSweep.ts"
import { type Findings, joinFindings, type SweepMode } from "./Findings.ts"
import { sweepManagers } from "./ManagerSweep.ts"
import { type NodeAnswer, type SweptNode, sweepNodes } from "./Sweeper.ts"
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
  /** The Unix time in milliseconds to compare deadlines with; default: the present. */
  readonly now?: number
  /**
   * IDs of runs (label `task-exec.run`). Removes their objects whatever the deadline, and nothing else. If a helper runs a command of
   * such a run, this kills the command.
   */
  readonly runs?: ReadonlyArray<string>
  /**
   * The nodes whose containers to check: `all` nodes (the default), through a temporary service, or only the connected engine's node
   * (`local`). Services, secrets and networks are checked if that engine is a manager; `all` requires a manager.
   */
  readonly nodes?: "all" | "local"
  /** Image of the temporary service; default: that of the `HelperImage` layer. */
  readonly image?: string
  /** The time in which the other nodes must report; default 30 seconds. */
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
 * Whether a sweep left nothing behind: every leftover was removed, every object could be read, and every node was checked.
 *
 * @category leftovers
 * @since 0.1.0
 */
export const isClean = ({ leftovers, unanswered, unreadable }: SweepReport): boolean =>
  leftovers.every(({ removed }) => removed) && unreadable.length === 0 && unanswered.length === 0

/**
 * Removes the services, secrets, networks and containers of task-exec that are past their deadline, or those of the runs in `runs`.
 *
 * **When to use**: to clean up after callers that were killed before they could. Each run also removes leftovers with {@link sweepSwarm}.
 *
 * **Details**: the report names the objects that can't be removed and the nodes that don't respond. Fails only if the connected engine does
 * not respond, or is not a manager and all nodes are to be checked. An object that another program removes meanwhile counts as removed.
 * Swarm removes a service's containers shortly after the service.
 *
 * **Gotchas**: deadlines are compared with the slower of this machine's clock and the engine's. They have a margin of two minutes for
 * clocks that differ.
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
  // Of several managers, only one has these containers.
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
          onSuccess: (findings): NodeAnswer => ({ _tag: "Swept", node: connected, findings }),
          onFailure: (error): NodeAnswer => ({ _tag: "Silent", node: connected, reason: error.message })
        })
      ),
      sweepOthers(mode, options, connected, others, managers.services ?? [])
    ],
    { concurrency: 2 }
  )
  const answers = [local, ...remote]
  const found = answers.flatMap((answer) => (answer._tag === "Swept" ? [answer.findings] : []))
  return {
    ...joinFindings([managers, ...found]),
    nodes: answers.flatMap(({ _tag, node }) => (_tag === "Swept" ? [node.hostname] : [])),
    unanswered: answers.flatMap((answer) =>
      answer._tag === "Silent" ? [{ ...answer.node, reason: answer.reason }] : []
    )
  }
})

/**
 * Removes services, secrets and networks that are past their deadline: the part of {@link sweep} that starts nothing on other nodes.
 *
 * **Details**: without leftovers it sends few requests, to a manager only. The report has no nodes, because no containers are checked.
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

/** The earlier of two clocks: a clock that is fast would make leftovers of live runs. */
const earliest = (own: number, engines: string): number => {
  const theirs = Date.parse(engines)
  return Number.isNaN(theirs) ? own : Math.min(own, theirs)
}

/** Sweeps other nodes, each through a sweeper, if the node can run one. */
const sweepOthers = Effect.fnUntraced(function* (
  mode: SweepMode,
  { image, placementTimeout = "30 seconds" }: SweepOptions,
  connected: SweptNode,
  others: ReadonlyArray<Node>,
  services: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<NodeAnswer>, never, Swarm | HelperImage> {
  const swept = others.filter(isReady).map(nameOf)
  const silent = others
    .filter((node) => !isReady(node))
    .map((node): NodeAnswer => ({ _tag: "Silent", node: nameOf(node), reason: whyNot(node) }))
  if (swept.length === 0) return silent
  const images = yield* HelperImage
  const answers = yield* sweepNodes({
    ...mode,
    image: yield* image === undefined ? images.reference : images.pin(image),
    nodes: swept,
    connectedNode: connected.id,
    services,
    patience: Duration.toMillis(Duration.fromInputUnsafe(placementTimeout))
  }).pipe(
    Effect.catch((error) =>
      Effect.succeed(swept.map((node): NodeAnswer => ({ _tag: "Silent", node, reason: error.message })))
    ),
    inInventory
  )
  return [...answers, ...silent]
})

const isReady = ({ Spec, Status }: Node): boolean => Status.State === "ready" && Spec.Availability === "active"

const nameOf = ({ Description, ID }: Node): SweptNode => ({ id: ID, hostname: Description.Hostname })

const whyNot = ({ Spec, Status }: Node): string =>
  Status.State === "ready"
    ? `its availability is ${Spec.Availability}. Make it active, or run "task-exec gc --local" on it.`
    : `the node is ${Status.State}. Check its engine.`
