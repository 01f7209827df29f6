/**
 * The sweep: removes what callers of task-exec left behind that were ended before they could clean up.
 *
 * Everything that task-exec makes tells by its labels whose it is and until when it may be needed (see `Labels.ts`). A
 * sweep removes what is past that deadline, or what belongs to the runs that it is told, and nothing else.
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

/** How to sweep. All may be left out. */
export interface SweepOptions {
  /** Only look; default `false`. */
  readonly dryRun?: boolean
  /** Take this Unix time in milliseconds for now. What has its deadline before it is removed, needed or not. */
  readonly now?: number
  /**
   * IDs of runs (label `task-exec.run`): what belongs to them is removed, needed or not, whatever its deadline, and
   * nothing else is. Their commands are ended by that where a helper runs them.
   */
  readonly runs?: ReadonlyArray<string>
  /**
   * Whose containers to look at: those of `all` nodes (the default), through a temporary service, or only those of the
   * connected engine (`local`). Services, secrets and networks are looked at in either case where that engine is a
   * manager; `all` needs one.
   */
  readonly nodes?: "all" | "local"
  /** Image of the temporary service; default: that of the `HelperImage` layer. */
  readonly image?: string
  /** How long the other nodes may take to report; default 30 seconds. */
  readonly placementTimeout?: Duration.Input
}

/** A node whose containers were not looked at. */
export interface UnsweptNode {
  /** ID of the node; empty for an engine in no swarm. */
  readonly id: string
  readonly hostname: string
  readonly reason: string
}

/** What a sweep found and did. */
export interface SweepReport extends Findings {
  /** Host names of the nodes whose containers were looked at. */
  readonly nodes: ReadonlyArray<string>
  /** The nodes whose containers should have been looked at and were not. */
  readonly unanswered: ReadonlyArray<UnsweptNode>
}

/** Whether a report says that nothing that was to go is left anywhere that was to be looked at. */
export const isClean = ({ leftovers, unanswered, unreadable }: SweepReport): boolean =>
  leftovers.every(({ removed }) => removed) && unreadable.length === 0 && unanswered.length === 0

/**
 * Removes every service, secret and container of task-exec that is past its deadline; or, with `runs`, those of these runs.
 *
 * **Details**
 *
 * The report names what can't be removed and the nodes that don't answer. The effect fails only if the connected engine does
 * not answer or, for all nodes, is no manager. An object that another program removes at the same time counts as removed.
 * Swarm removes a service's containers a little after the service.
 *
 * **Gotchas**
 *
 * Deadlines are compared with the slower one of this machine's clock and the engine's; they leave two minutes for clocks
 * that differ.
 */
export const sweep = Effect.fn("TaskExec.sweep")(function* (
  options: SweepOptions = {}
): Effect.fn.Return<SweepReport, SwarmFailure, Swarm | HelperImage> {
  const swarm = yield* Swarm
  const { Name: hostname, Swarm: own, SystemTime } = yield* swarm.info
  // Of several managers only one has these containers: another one would say that they are gone.
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
 * Removes services, secrets and networks that are past their deadline: the cheap part of {@link sweep}.
 *
 * It needs three requests to a manager when there is nothing to remove, so every run can do it while it works.
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

/** A clock that is fast would take live runs for leftovers. */
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
