/** Finds the replacements of tasks that Swarm has replaced after their selection. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isNotFound } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import { isWanted } from "../engine/SwarmSchemas.ts"
import { lookupTask } from "../target/Lookup.ts"
import { TaskNotRunning } from "../target/LookupErrors.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/** The time within which the replacement of a task must run. */
const replacementTimeout = "30 seconds"

/** Fails if the managers report that the task does not run, or is about to be replaced. */
export const checkStillRuns = Effect.fnUntraced(function* (task: ResolvedTask) {
  const swarm = yield* Swarm
  const found = yield* swarm.inspectTask(task.id).pipe(Effect.catchIf(isNotFound, () => Effect.succeed(undefined)))
  if (found === undefined) return yield* gone(task, "removed", "")
  const {
    DesiredState,
    Status: { Err, Message, State }
  } = found
  if (State !== "running") return yield* gone(task, State, Err ?? Message)
  if (!isWanted(found)) return yield* gone(task, State, `Swarm is about to stop it (desired state: ${DesiredState})`)
})

/** Waits for the replacement of a task: the task in its slot, or on its node for a global service. */
export const replacementOf = (task: ResolvedTask) => {
  const { node, service, slot } = task
  const slotOrNode = slot === undefined ? { node: node.id } : { slot }
  return lookupTask({ _tag: "Service", text: task.name, service: service.id, ...slotOrNode }).pipe(
    Effect.filterOrFail(
      ({ id }) => id !== task.id,
      () => gone(task, "running", "its container was removed")
    ),
    Effect.retry({ schedule: Schedule.spaced("500 millis").pipe(Schedule.upTo({ duration: replacementTimeout })) })
  )
}

const gone = ({ id, name, node }: ResolvedTask, state: string, reason: string) =>
  new TaskNotRunning({ target: name, task: { id, name, node: node.hostname, state }, reason })
