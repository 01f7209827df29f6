/** Opens the run of one command: finds its task, or starts a one-off task, and prepares the command in it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Swarm } from "./engine/Swarm.ts"
import { openRunContext, passSignals, planCommands } from "./fleet/Commands.ts"
import { pullTimeout } from "./helper/Helper.ts"
import type { Connect } from "./node/Connect.ts"
import { localNode } from "./node/Route.ts"
import { commandOfOneOff } from "./oneoff/OneOffSpec.ts"
import { checkOriginal, findOriginal, nodesFor, openOneOffTask } from "./oneoff/OneOffTask.ts"
import { untilStarted } from "./Repetition.ts"
import type { RunError, RunEvent } from "./Run.ts"
import type { CheckedCommand, CheckedRequest } from "./request/CheckedRequest.ts"
import type { CheckedOneOff } from "./request/OneOffRequest.ts"
import { inStage, type Stage } from "./Stage.ts"
import { lookupLog, lookupTask, type OnNode } from "./target/Lookup.ts"
import type { ResolvedTask } from "./target/ResolvedTask.ts"
import { awaitTask } from "./target/Wait.ts"

/** Opens the run of a validated request, and returns its events. The command begins when they are run. */
export const openRun = Effect.fn("TaskExec.open")(function* (connect: Connect, checked: CheckedRequest) {
  const { oneOff, target, wait } = checked
  if (oneOff !== undefined) return yield* openOneOff(connect, checked, oneOff)
  const stage = { _tag: wait === undefined ? "Find" : "Wait", target: target.text } as const
  if (wait === undefined) {
    const lookup = checked.action?._tag === "Logs" ? lookupLog : lookupTask
    const find = (onNode: OnNode) => lookup(target, { onNode })
    const { events, resolved } = yield* attempt(connect, checked, find, stage)
    return Stream.concat(Stream.make<[RunEvent]>(resolved), events)
  }
  return untilStarted(
    (timeout) => attempt(connect, checked, (onNode) => awaitTask(target, timeout, { wait, onNode }), stage),
    { target: target.text, wait, isRepeatable: !checked.stdin }
  )
})

/** Starts a one-off task of the target's service, and returns the events of the command in it. */
const openOneOff = Effect.fn("TaskExec.openOneOff")(function* (
  connect: Connect,
  checked: CheckedRequest,
  request: CheckedOneOff
) {
  const { placementTimeout, target, wait: startTimeout = pullTimeout } = checked
  const found = yield* findOriginal(target).pipe(inStage({ _tag: "Find", target: target.text }))
  const { original } = found
  yield* checkOriginal(original, checked)
  const start = Effect.gen(function* () {
    const nodes = yield* nodesFor(found, yield* localNode)
    return yield* openOneOffTask({ original, request, nodes, placementTimeout, startTimeout })
  })
  const oneOffCommand = commandOfOneOff(original, request)
  const stage = { _tag: "OneOff", target: target.text } as const
  const { events, resolved } = yield* attempt(connect, { ...checked, oneOffCommand }, () => start, stage)
  return Stream.concat(Stream.make<[RunEvent]>(resolved), events)
})

/** Finds the task, and returns the events of the command in it. */
const attempt = Effect.fn("TaskExec.attempt")(function* (
  connect: Connect,
  checked: CheckedCommand,
  find: (onNode: OnNode) => Effect.Effect<ResolvedTask, RunError, Swarm | Scope.Scope>,
  stage: Stage
) {
  const { found: task, context } = yield* openRunContext(connect, checked, find, stage)
  const [command] = yield* planCommands([task], checked, context)
  if (command === undefined) return yield* Effect.die("a task has one command")
  const prepared = yield* command.open
  yield* passSignals(checked, () => [prepared])
  return { resolved: { _tag: "Resolved" as const, task, route: prepared.route }, events: prepared.events }
})
