/**
 * The inventory of a run: it lasts as long as the run's scope, and says at its end what could not be removed. Should the caller be
 * killed meanwhile (`kill -9`), a process beside it removes what is in there.
 *
 * A run shorter than a second, or without objects that outlive their caller, pays nothing for that. What kills the process along with
 * the caller (the end of a container or of a systemd unit, a machine that dies) leaves the objects to their deadline.
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

/** How long a run has no guard for its objects, in milliseconds. */
const unguarded = 1000

/** The variable that tells a guard which engines its caller talks to. Holds no secret: certificates are named by their folder. */
export const endpointsVariable = "TASK_EXEC_GUARD_ENDPOINTS"

/** What {@link endpointsVariable} holds. */
export const GuardEndpoints = Schema.fromJsonString(Schema.NonEmptyArray(Endpoint))

/** A command on another node, as a guard ends it. */
export const GuardedCommand = Schema.fromJsonString(
  Schema.Struct({
    run: EndRun,
    /** Reference of our image. */
    image: Schema.NonEmptyString,
    node: Schema.Struct({
      id: Schema.NonEmptyString,
      hostname: Schema.String,
      state: Schema.String,
      availability: Schema.String
    })
  })
)

/** What a guard is told when a command has ended, before its run. */
export const endedPrefix = "ended:"

const encodeEndpoints = Schema.encodeSync(GuardEndpoints)

/**
 * An inventory for a run, whose scope it is, with its guard. When all of it is closed, one warning tells what could not be removed.
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

/** The effect, with an inventory of its own. */
export const inInventory = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Swarm> =>
  Effect.scoped(
    Effect.flatMap(openInventory, (inventory) => Effect.provideService(effect, CurrentInventory, inventory))
  )

/** The stream, with an inventory of its own. */
export const withInventory = <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R | Swarm> =>
  Stream.unwrap(Effect.map(openInventory, (inventory) => Stream.provideService(stream, CurrentInventory, inventory)))

/** Containers end by themselves when their caller is gone; the others last. */
const lastingRuns = ({ objects }: Inventory): ReadonlyArray<string> => [
  ...new Set([...objects].filter(({ kind }) => kind !== "container").map(({ runId }) => runId))
]

/** Starts the guard when it is due. It is let go of with the scope, after the removals. */
const guardObjects = Effect.fnUntraced(function* (inventory: Inventory) {
  const swarm = yield* Swarm
  const told = new Set<string>()
  let guard: GuardProcess | undefined
  const live = new Map<string, string>()
  const tell = () => {
    if (guard === undefined) return
    for (const runId of lastingRuns(inventory)) {
      if (told.has(runId)) continue
      told.add(runId)
      guard.tell(runId)
    }
    const now = new Map(
      [...inventory.commands].flatMap(({ guarded, runId }) =>
        guarded === undefined ? [] : [[runId, guarded] as const]
      )
    )
    for (const [runId, text] of now) if (!live.has(runId)) guard.tell(text)
    for (const runId of live.keys()) if (!now.has(runId)) guard.tell(`${endedPrefix}${runId}`)
    live.clear()
    for (const [runId, text] of now) live.set(runId, text)
  }
  let isStarting = false
  const start = Effect.suspend(() => {
    if (isStarting || lastingRuns(inventory).length === 0) return Effect.void
    isStarting = true
    return Effect.flatMap(swarm.endpoints, (endpoints) =>
      startGuardProcess([imageCommands.removeRuns], { [endpointsVariable]: encodeEndpoints(endpoints) })
    ).pipe(
      Effect.tap((started) =>
        Effect.sync(() => {
          guard = started
          tell()
        })
      ),
      Effect.uninterruptible
    )
  })
  yield* Effect.addFinalizer(() => Effect.suspend(() => guard?.letGo(true) ?? Effect.void))
  let isDue = false
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      inventory.onChanged(() => {
        if (guard !== undefined) tell()
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
