/**
 * Plans the commands of a run in one task or many: groups them by node, opens the node connections, and records and observes each command.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { FindAgents } from "../agent/AgentConnection.ts"
import { type RunRecording, recordRun, targetOf } from "../audit/Recording.ts"
import { type ObserveCommand, openCommandObserver } from "../CommandObserver.ts"
import { credentialsFor } from "../engine/Credentials.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { type CommandKind, CurrentInventory } from "../engine/Inventory.ts"
import type { Swarm } from "../engine/Swarm.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import { type EndRun, type ExecSpec, endOf, type Signal } from "../executor/ExecSpec.ts"
import { describeKillResult, type KillResult, killed } from "../executor/KillResult.ts"
import { GuardedCommand } from "../executor/RunInventory.ts"
import { pullTimeout } from "../helper/Helper.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import { leaseTerm } from "../helper/Lease.ts"
import { openTunnelNetwork, type TunnelNetwork } from "../helper/TunnelNetwork.ts"
import { memoize } from "../internal/memoize.ts"
import { tapSome } from "../internal/tapSome.ts"
import { makeOwnership, makeRunId, type Ownership } from "../Labels.ts"
import type { Connect } from "../node/Connect.ts"
import type { NodeCommands } from "../node/NodeConnection.ts"
import { openSearch } from "../node/Search.ts"
import type { RunError } from "../Run.ts"
import { type CheckedCommand, specOf } from "../request/CheckedRequest.ts"
import type { Route } from "../request/Via.ts"
import { inStage, type Stage } from "../Stage.ts"
import type { OnNode } from "../target/Lookup.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/** What the commands of a run share. */
export interface RunContext {
  readonly connect: Connect
  /** ID of the connected engine's node. */
  readonly connectedNode: string
  readonly image: Effect.Effect<string>
  readonly agents: FindAgents
  readonly observe: ObserveCommand
}

/**
 * Looks up the tasks and, at the same time, the connected engine's node, the image and the agents, because each request takes some
 * milliseconds. Reports `stage` meanwhile.
 */
export const openRunContext = Effect.fnUntraced(function* <A, E, R>(
  connect: Connect,
  checked: CheckedCommand,
  find: (onNode: OnNode) => Effect.Effect<A, E, R>,
  stage: Stage
): Effect.fn.Return<
  { readonly found: A; readonly context: RunContext },
  E | SwarmFailure,
  R | Swarm | HelperImage | Scope.Scope
> {
  const images = yield* HelperImage
  const image = yield* Effect.cached(checked.image === undefined ? images.reference : images.pin(checked.image))
  const { agents, connectedNode: connected, onNode } = yield* openSearch(checked.via)
  const [found, connectedNode] = yield* Effect.all([find(onNode), connected, image], { concurrency: 3 }).pipe(
    inStage(stage)
  )
  return { found, context: { connect, connectedNode, image, agents, observe: yield* openCommandObserver } }
})

/** The command in one task. */
export interface Command {
  readonly task: ResolvedTask
  /** Prepares the command. */
  readonly open: Effect.Effect<PreparedCommand, RunError, Swarm | Scope.Scope>
  /** Reports that the command has ended or will not begin. The node connection closes with its last command. */
  readonly leave: Effect.Effect<void>
}

/** A prepared command, in the current container of its task. */
export interface PreparedCommand {
  readonly task: ResolvedTask
  readonly route: Route
  readonly spec: ExecSpec
  /** The command begins when this stream is run. */
  readonly events: Stream.Stream<ExecEvent, RunError, Swarm>
  readonly end: (run: EndRun) => Effect.Effect<KillResult>
  /** Whether the command has started and has not ended. */
  readonly isLive: () => boolean
  /** Whether the command may have begun although `Started` has not arrived: see `NodeExec`. */
  readonly mayHaveBegun: () => boolean
  readonly recording: RunRecording
}

/** A planned command. */
interface Planned {
  readonly task: ResolvedTask
  readonly spec: ExecSpec
  /** Whether pacing starts the command at once, together with all other such commands. */
  readonly isFirst: boolean
}

/**
 * Plans a command in each task. Creates nothing. The commands of a node share a node connection. The first `atOnce` commands start at the
 * same time, so those of a node begin with one request.
 */
export const planCommands = Effect.fnUntraced(function* (
  tasks: ReadonlyArray<ResolvedTask>,
  checked: CheckedCommand,
  context: RunContext,
  atOnce = tasks.length
): Effect.fn.Return<ReadonlyArray<Command>, never, Swarm | Scope.Scope> {
  const toolbox = yield* toolboxOf(checked)
  const planned = tasks.map(
    (task, index): Planned => ({ task, spec: specOf(makeRunId(), task, checked, toolbox), isFirst: index < atOnce })
  )
  const nodes = [...Map.groupBy(planned, ({ task }) => task.node.id).values()]
  const others = nodes.filter(([first]) => first?.task.node.id !== context.connectedNode)
  // The network serves all commands, so its deadline is that of a run without a timeout.
  const network =
    others.length < 2
      ? undefined
      : yield* openTunnelNetwork(yield* makeOwnership(undefined), yield* context.image, others.length)
  const commands = new Map<Planned, Command>()
  for (const [first, ...more] of nodes) {
    if (first === undefined) continue
    for (const [plan, command] of yield* commandsOnNode([first, ...more], checked, context, network)) {
      commands.set(plan, command)
    }
  }
  return planned.flatMap((plan) => commands.get(plan) ?? [])
})

/** Returns the toolbox of the commands with the caller's credentials for its image, because the nodes have none. */
const toolboxOf = Effect.fnUntraced(function* ({ toolbox }: CheckedCommand) {
  if (toolbox?._tag !== "Debug") return toolbox
  const { image } = toolbox
  const auth = yield* credentialsFor(image).pipe(
    Effect.catch(({ message }) =>
      Effect.as(Effect.logWarning(`no credentials for image ${image}: ${message}`), undefined)
    )
  )
  return { ...toolbox, ...(auth === undefined ? {} : { auth }) }
})

/** Returns the commands of one node. They share a node connection, which opens with the first command. */
const commandsOnNode = Effect.fnUntraced(function* (
  all: readonly [Planned, ...ReadonlyArray<Planned>],
  checked: CheckedCommand,
  { observe, agents, connect, connectedNode, image }: RunContext,
  network: TunnelNetwork | undefined
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const [{ spec }] = all
  const tasks = [all[0].task, ...all.slice(1).map(({ task }) => task)] as const
  const { placementTimeout, via } = checked
  const owner = all.length === 1 ? ownerOf(checked, spec.runId) : makeOwnership(leaseTerm)
  const options = {
    tasks,
    connectedNode,
    via,
    agents,
    image,
    placementTimeout,
    owner,
    ...(network === undefined ? {} : { network })
  }
  const first = all.filter(({ isFirst }) => isFirst).length
  // The commands that have left, perhaps before the node connection was open.
  const left = new Set<number>()
  let opened: NodeCommands | undefined
  const connection = yield* Scope.provide(
    memoize(
      Effect.gen(function* () {
        const { commands, route } = yield* connect(options)
        opened = yield* commands([all[0].spec, ...all.slice(1).map(({ spec }) => spec)], first)
        for (const index of left) opened.leave(index)
        return { route, commands: opened }
      })
    ),
    scope
  )
  return all.map((plan, index): readonly [Planned, Command] => [
    plan,
    {
      task: plan.task,
      open: Effect.gen(function* () {
        const { commands, route } = yield* connection
        const recording = yield* recordRun(targetOf(plan.task), route, plan.spec)
        const exec = yield* Effect.tapError(commands.exec(index, recording.input(checked.input)), recording.failed)
        const observed = yield* observe(route, recording.events(exec.events))
        const { spec, task } = plan
        // An action has no process to kill, and reading a log changes nothing.
        if (spec.action !== undefined) {
          const mayHaveBegun = spec.action._tag === "Logs" ? () => false : exec.mayHaveBegun
          const end = () => Effect.succeed(killed)
          return { task, route, spec, events: observed, isLive: () => false, mayHaveBegun, end, recording }
        }
        // An agent kills the commands of a caller that disconnects. A command by a helper needs a guard.
        const guardImage = route === "helper" ? yield* image : undefined
        const { events, isLive } = yield* inventoried(plan, observed, guardImage)
        const { end, mayHaveBegun } = exec
        return { task, route, spec, events, isLive, mayHaveBegun, end, recording }
      }),
      leave: Effect.suspend(() => {
        left.add(index)
        opened?.leave(index)
        return left.size === all.length ? Scope.close(scope, Exit.void) : Effect.void
      })
    }
  ])
})

const encodeGuarded = Schema.encodeSync(GuardedCommand)

/** Returns the ownership of a single command's objects. Without a timeout, the caller moves the deadline while it lives. */
const ownerOf = ({ grace, placementTimeout, timeout }: CheckedCommand, runId: string): Effect.Effect<Ownership> =>
  makeOwnership(timeout === undefined ? leaseTerm : placementTimeout + pullTimeout + timeout + grace, runId)

const kindOf = ({ toolbox }: ExecSpec): CommandKind => {
  switch (toolbox?._tag) {
    case undefined:
      return "command"
    case "Debug":
      return "toolbox"
    case "Forward":
      return "forwarding"
  }
}

/** Reports to the run's inventory when the command starts and ends. `image`: the image of helpers, for the guard's request. */
const inventoried = Effect.fnUntraced(function* <E, R>(
  { spec, task }: Planned,
  events: Stream.Stream<ExecEvent, E, R>,
  image: string | undefined
) {
  const inventory = yield* CurrentInventory
  const entry = {
    runId: spec.runId,
    kind: kindOf(spec),
    where: `${task.name} on ${task.node.hostname}`,
    grace: spec.grace,
    ...(image === undefined ? {} : { guarded: encodeGuarded({ run: endOf(spec), image, node: task.node }) })
  }
  let isLive = false
  const started = () => {
    isLive = true
    inventory.started(entry)
  }
  const ended = () => {
    isLive = false
    inventory.ended(entry)
  }
  yield* Effect.addFinalizer(() => Effect.sync(ended))
  return {
    isLive: () => isLive,
    events: tapSome(({ _tag }: ExecEvent) => {
      if (_tag === "Exited") return Effect.sync(ended)
      return _tag === "Started" ? Effect.sync(started) : undefined
    })(events)
  }
})

/**
 * Sends the caller's signals to the commands that `targets` returns. When the scope closes, waits until the processes of each signaled
 * command have ended or are killed.
 */
export const passSignals = Effect.fnUntraced(function* (
  { grace, signals }: CheckedCommand,
  targets: (signal: Signal) => Iterable<PreparedCommand>
): Effect.fn.Return<void, never, Scope.Scope> {
  const kills = yield* FiberSet.make()
  yield* Effect.addFinalizer(() => FiberSet.awaitEmpty(kills))
  const send = (signal: Signal) =>
    Effect.forEach(
      targets(signal),
      ({ end, spec, task }) =>
        end({ ...endOf(spec), signal, grace: signal === "SIGKILL" ? 0 : grace }).pipe(
          Effect.tap((killResult) =>
            killResult._tag === "Killed"
              ? Effect.void
              : Effect.logWarning(`${task.name}: ${signal}: ${describeKillResult(killResult)}`)
          ),
          // A signal does not wait for the result of the previous one.
          FiberSet.run(kills)
        ),
      { discard: true }
    )
  yield* Effect.forkScoped(Stream.runForEach(signals, send))
})
