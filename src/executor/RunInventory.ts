/**
 * Opens the inventory of a run, which closes with the run's scope. A warning then names the objects that could not be removed. If the
 * caller is killed (`kill -9`), a guard process removes the objects in the inventory.
 *
 * A run that is shorter than a second, or has no objects that outlive their caller, has no guard process. If the guard is killed together
 * with the caller (their container or systemd unit ends, or the machine fails), a later sweep removes the objects after their deadline.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Endpoint } from "../engine/Endpoint.ts"
import { CurrentInventory, Inventory } from "../engine/Inventory.ts"
import { Swarm } from "../engine/Swarm.ts"
import { imageCommands } from "../ImageCommands.ts"
import { EndRun } from "./ExecSpec.ts"
import { type GuardProcess, startGuardProcess } from "./internal/GuardProcess.ts"

/** Milliseconds after which a guard process is started for a run. */
const unguarded = 1000

/** The variable with the addresses of the caller's managers, for the guard. It names the directory of certificates, but holds no secret. */
export const endpointsVariable = "TASK_EXEC_GUARD_ENDPOINTS"

/** The content of {@link endpointsVariable}. */
export const GuardEndpoints = Schema.fromJsonString(Schema.NonEmptyArray(Endpoint))

/** A command on another node that the guard must kill. */
export const GuardedCommand = Schema.fromJsonString(
  Schema.Struct({
    run: EndRun,
    /** Reference of the helper's image. */
    image: Schema.NonEmptyString,
    node: Schema.Struct({
      id: Schema.NonEmptyString,
      hostname: Schema.String,
      state: Schema.String,
      availability: Schema.String
    })
  })
)

/** The prefix of the message to the guard that a command has ended. The ID of its run follows. */
export const endedPrefix = "ended:"

const encodeEndpoints = Schema.encodeSync(GuardEndpoints)

/**
 * Opens the inventory of a run, and its guard. When the scope has closed, one warning names the objects that could not be removed.
 */
export const openInventory: Effect.Effect<Inventory, never, Swarm | Scope.Scope> = Effect.gen(function* () {
  const inventory = new Inventory(yield* CurrentInventory)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      const complaint = inventory.complaint()
      for (const object of [...inventory.objects]) inventory.remove(object)
      return complaint === undefined ? Effect.void : Effect.logWarning(complaint)
    })
  )
  yield* guardObjects(inventory)
  return inventory
})

/** Runs an effect with an inventory of its own. */
export const inInventory = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Swarm> =>
  Effect.scoped(
    Effect.flatMap(openInventory, (inventory) => Effect.provideService(effect, CurrentInventory, inventory))
  )

/** Runs a stream with an inventory of its own. */
export const withInventory = <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R | Swarm> =>
  Stream.unwrap(Effect.map(openInventory, (inventory) => Stream.provideService(stream, CurrentInventory, inventory)))

/** Returns the runs with objects that outlive their caller. Containers are left out, because they end with their caller. */
const lastingRuns = ({ objects }: Inventory): ReadonlyArray<string> => [
  ...new Set([...objects].filter(({ kind }) => kind !== "container").map(({ runId }) => runId))
]

/** Starts the guard process when the run needs one. Releases the guard when the scope closes, after the removals. */
const guardObjects = Effect.fnUntraced(function* (inventory: Inventory) {
  const swarm = yield* Swarm
  /** The runs that the guard knows. */
  const sentRuns = new Set<string>()
  let guard: GuardProcess | undefined
  /** The commands that the guard must kill, by run ID. */
  const sentCommands = new Map<string, string>()
  /** Returns the lines that the guard does not have yet, as if they were sent. */
  const newLines = (): ReadonlyArray<string> => {
    const runs = lastingRuns(inventory).filter((runId) => !sentRuns.has(runId))
    for (const runId of runs) sentRuns.add(runId)
    const now = new Map(
      [...inventory.commands].flatMap(({ guarded, runId }) =>
        guarded === undefined ? [] : [[runId, guarded] as const]
      )
    )
    const started = [...now].flatMap(([runId, text]) => (sentCommands.has(runId) ? [] : [text]))
    const ended = [...sentCommands.keys()].flatMap((runId) => (now.has(runId) ? [] : [`${endedPrefix}${runId}`]))
    sentCommands.clear()
    for (const [runId, text] of now) sentCommands.set(runId, text)
    return [...runs, ...started, ...ended]
  }
  const updateGuard = () => {
    if (guard === undefined) return
    for (const line of newLines()) guard.send(line)
  }
  let isStarting = false
  const start = Effect.suspend(() => {
    if (isStarting || lastingRuns(inventory).length === 0) return Effect.void
    isStarting = true
    return Effect.flatMap(swarm.endpoints, (endpoints) =>
      // A caller that is killed before it writes to the guard leaves nothing behind, either.
      startGuardProcess([imageCommands.removeRuns, ...newLines()], { [endpointsVariable]: encodeEndpoints(endpoints) })
    ).pipe(
      Effect.tap((started) =>
        Effect.sync(() => {
          guard = started
          updateGuard()
        })
      ),
      Effect.uninterruptible
    )
  })
  yield* Effect.addFinalizer(() => Effect.suspend(() => guard?.close(true) ?? Effect.void))
  let isDue = false
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      inventory.onChanged(() => {
        if (guard !== undefined) updateGuard()
        else if (isDue) Effect.runFork(start)
      })
    ),
    (stop) => Effect.sync(stop)
  )
  yield* Effect.sleep(unguarded).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        isDue = true
        return start
      })
    ),
    Effect.forkScoped
  )
})
