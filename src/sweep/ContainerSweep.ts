/** Removes leftover containers of one engine. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { DockerEngine, type DockerEngineShape } from "../engine/DockerEngine.ts"
import { type EngineFailure, isConflict, isNotFound } from "../engine/EngineErrors.ts"
import type { ContainerSummary } from "../engine/EngineSchemas.ts"
import { labelKeys, type Role } from "../Labels.ts"
import { type Findings, type Labelled, NotRemovable, type SweepMode, sweepObjects } from "./Findings.ts"
import { judge } from "./Verdict.ts"

/** Options of {@link sweepContainers}. */
export interface ContainerSweep extends SweepMode {
  /** Host name of the node, for the findings. */
  readonly node: string
  /**
   * IDs of task-exec's services. The sweep skips their containers, because Swarm removes them. `undefined` if the services are unknown:
   * then the sweep skips the containers of every service.
   */
  readonly services: ReadonlyArray<string> | undefined
  /** ID of the sweeper's own run, whose containers are kept. */
  readonly except?: string
}

/** Milliseconds within which a container must end after it was asked to. */
const endTimeout = 15_000
/** Milliseconds within which another program must finish the removal of a container. */
const killTimeout = 10_000

/** Swarm's label on the containers of a service. */
const serviceLabel = "com.docker.swarm.service.id"

/**
 * Removes the leftover containers of the node.
 *
 * Swarm removes a service's containers with the service. A container that outlives its service receives TERM and is removed when it has
 * ended, because a helper first kills its command.
 */
export const sweepContainers = Effect.fn("Sweep.containers")(function* (
  options: ContainerSweep
): Effect.fn.Return<Findings, EngineFailure, DockerEngine> {
  const engine = yield* DockerEngine
  const containers = yield* engine.listContainers({ label: [labelKeys.run] }, { all: true })
  /** Whether Swarm removes the container, because its service exists or is being removed. */
  const isRemovedBySwarm = ({ Labels }: ContainerSummary): boolean => {
    const service = Labels[serviceLabel]
    if (service === undefined) return false
    return (options.services?.includes(service) ?? true) || judge(Labels, options.selection)._tag === "Alive"
  }
  return yield* sweepObjects(
    containers
      .filter((container) => !isRemovedBySwarm(container) && container.Labels[labelKeys.run] !== options.except)
      .map((container): Labelled => {
        const { Id: id, Labels: labels, Names } = container
        return {
          kind: "container",
          id,
          name: (Names[0] ?? id.slice(0, 12)).replace(/^\//, ""),
          node: options.node,
          labels,
          remove: removalOf(engine, container, options)
        }
      }),
    options
  )
})

/** The role of a container that kills the processes of a run, perhaps because this sweep has removed the run's helper. */
const killer: Role = "killer"
/** The role of a container that kills the processes of its run when its stdin ends. */
const guard: Role = "guard"

const removalOf = (engine: DockerEngineShape, container: ContainerSummary, { selection }: SweepMode) => {
  if (container.Labels[serviceLabel] !== undefined) return endAndRemove(engine, container, terminate)
  if (selection._tag === "OfRuns" && container.Labels[labelKeys.role] === guard) {
    return endAndRemove(engine, container, endInput)
  }
  if (selection._tag === "OfRuns" && container.Labels[labelKeys.role] === killer)
    return awaitEndAndRemove(engine, container)
  return remove(engine, container.Id)
}

/** Removes a container. If another program is removing it, waits for that. */
const remove = (engine: DockerEngineShape, id: string): Effect.Effect<void, EngineFailure> =>
  engine.removeContainer(id, { force: true }).pipe(
    Effect.catchIf(isConflict, (error) =>
      waitUntil(
        Effect.map(stateOf(engine, id), (state) => state === undefined),
        killTimeout
      ).pipe(Effect.flatMap((isRemoved) => (isRemoved ? Effect.void : Effect.fail(error))))
    )
  )

/** Asks a container to end. */
type End = (engine: DockerEngineShape, id: string) => Effect.Effect<void, EngineFailure>

const terminate: End = (engine, id) => engine.killContainer(id, "TERM")

/**
 * Ends the stdin of a container, even while its caller is attached (engines 20.10 and 28.5). A program that is just starting notices this,
 * while TERM would end it before it can act.
 */
const endInput: End = (engine, id) =>
  Effect.scoped(Effect.flatMap(engine.attachContainer(id), ({ endInput: ended }) => ended))

/** Asks a container to end, and removes it when it has ended. */
const endAndRemove = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  { Id: id, State }: ContainerSummary,
  end: End
) {
  if (State === "running") {
    yield* end(engine, id).pipe(
      // The container has ended meanwhile.
      Effect.catchIf(
        (error) => isConflict(error) || isNotFound(error),
        () => Effect.void
      )
    )
    const ended = yield* waitUntil(
      Effect.map(stateOf(engine, id), (state) => state !== "running"),
      endTimeout
    )
    if (!ended) {
      const next = `If Swarm does not stop it either, run: docker rm -f ${id.slice(0, 12)}`
      return yield* new NotRemovable({ detail: `it is still running after ${endTimeout / 1000} s. ${next}` })
    }
  }
  yield* remove(engine, id)
})

/** Removes a killer when it has ended. If it were removed earlier, the command could stay alive. */
const awaitEndAndRemove = Effect.fnUntraced(function* (engine: DockerEngineShape, { Id: id }: ContainerSummary) {
  const ended = yield* waitUntil(
    Effect.map(stateOf(engine, id), (state) => state !== "running" && state !== "created"),
    endTimeout
  )
  if (!ended && (yield* stateOf(engine, id)) === "running") {
    return yield* new NotRemovable({
      detail: `it is still killing the command of its run after ${endTimeout / 1000} s. Run "task-exec gc" again.`
    })
  }
  yield* remove(engine, id)
})

/** Returns the state of a container; `undefined` if it does not exist. */
const stateOf = (engine: DockerEngineShape, id: string): Effect.Effect<string | undefined, EngineFailure> =>
  engine.inspectContainer(id).pipe(
    Effect.map(({ State }) => State.Status),
    Effect.catchIf(isNotFound, () => Effect.succeed(undefined))
  )

/** Polls a condition for at most this many milliseconds. Returns whether it was met. */
const waitUntil = Effect.fnUntraced(function* <E>(condition: Effect.Effect<boolean, E>, atMost: number) {
  const end = (yield* Clock.currentTimeMillis) + atMost
  while (!(yield* condition)) {
    if ((yield* Clock.currentTimeMillis) >= end) return false
    yield* Effect.sleep("200 millis")
  }
  return true
})
