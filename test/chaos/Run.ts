/** One run: a command, its faults, and the observations after it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { findNewCrash } from "../cluster/EngineCrash.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { leftovers } from "../cluster/Leftovers.ts"
import type { ClusterNode } from "../cluster/SwarmCluster.ts"
import { callerEnv } from "./Caller.ts"
import { callerSlack, type Observation, processSlack, type Violation, violationsOf } from "./Checks.ts"
import { inject, type Scene } from "./Faults.ts"
import type { FaultName, Plan } from "./Plan.ts"
import { watchProcesses } from "./ProcessWatch.ts"
import { recover, type Stage, setAgents, targets, tasksOf, Unhealthy } from "./Stage.ts"
import { helperContainers, oneOffContainers, swarmObjects } from "./SwarmView.ts"
import { sweepRuns } from "./SweepRuns.ts"
import { makeTimeline } from "./Timeline.ts"
import { works } from "./Works.ts"

/** The result of a run. */
export interface RunReport {
  readonly plan: Plan
  /** `0`, `SIGKILL`, or `none` if the caller did not end. */
  readonly exit: string
  /** Milliseconds until the caller's end. */
  readonly took: number
  readonly violations: ReadonlyArray<Violation>
  /** Faults that were impossible because their target did not exist. */
  readonly missed: ReadonlyArray<FaultName>
  readonly timeline: ReadonlyArray<string>
  readonly command: string
  readonly stderr: string
  /** Why the swarm cannot be used again, and the run cannot be judged completely. */
  readonly unhealthy: string | undefined
}

/** How long containers and processes may outlive the sweep, in milliseconds. */
const afterSweep = 90_000

const nodeNamed = Effect.fnUntraced(function* ({ cluster }: Stage, name: string) {
  const node = cluster.nodes.find((one) => one.name === name)
  return node === undefined ? yield* new Unhealthy({ detail: `there is no ${name}` }) : node
})

const taskOn = Effect.fnUntraced(function* (stage: Stage, node: ClusterNode) {
  const task = (yield* tasksOf(stage)).find(({ nodeId }) => nodeId === node.nodeId)
  return task === undefined ? yield* new Unhealthy({ detail: `no task runs on ${node.name}` }) : task
})

const asUnhealthy = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (error) => new Unhealthy({ detail: error.message }))

/** Performs one run. Returns its result, after the swarm has recovered. If it has not, the result says so. */
export const performRun = Effect.fn("Chaos.run")(function* (
  stage: Stage,
  plan: Plan
): Effect.fn.Return<RunReport, Unhealthy, Scope.Scope> {
  const { cluster } = stage
  const token = `${cluster.id}-${plan.seed}-${plan.number}`
  const target = yield* nodeNamed(stage, plan.target)
  const manager = yield* nodeNamed(stage, plan.manager)
  yield* setAgents(stage, plan.agents)
  const task = yield* asUnhealthy(taskOn(stage, target))
  const nodes = yield* Effect.forEach(targets, (name) => nodeNamed(stage, name))
  const work = yield* works[plan.kind]({ stage, plan, token, target, nodes })

  const timeline = yield* makeTimeline
  const watch = yield* watchProcesses(token)
  const proxy = yield* engineProxy(manager.socket)
  yield* timeline.note(`the caller starts, ${plan.inside ? "on" : "at"} ${manager.name}`)
  const started = yield* Clock.currentTimeMillis
  const env = callerEnv(proxy.dockerHost, stage.image)
  const on = plan.inside ? manager : undefined
  const caller = yield* work.start([process.execPath, stage.taskExec, ...work.args], env, on)
  const { agents } = plan
  const isUnderWay = work.isUnderWay ?? (() => watch.firstSeen() !== undefined)
  const victims = plan.kind === "one-off" ? oneOffContainers(target) : Effect.succeed([{ Id: task.containerId }])
  const scene: Scene = { cluster, manager, target, agents, victims, caller, isUnderWay, proxy, timeline }
  const faults = yield* Effect.forkScoped(
    Effect.filter(plan.faults, (fault) => Effect.map(inject(scene, fault), (done) => !done), {
      concurrency: "unbounded"
    })
  )

  const ended = yield* Effect.timeoutOption(caller.ended, plan.timeout + plan.grace + callerSlack)
  const took = (yield* Clock.currentTimeMillis) - started
  const atCallersEnd = yield* watch.look
  const end = Option.getOrUndefined(ended)
  const exit = end === undefined ? "none" : String(end.code ?? end.signal)
  yield* timeline.note(`the caller's end: ${exit}; alive: ${atCallersEnd.join(", ") || "nothing"}`)
  if (end === undefined) yield* Effect.sync(() => caller.send("SIGKILL"))
  const stderr = caller.stderr()
  const stdout = caller.stdout()
  const leftByCaller = yield* swarmObjects(cluster).pipe(
    Effect.catch((error) => Effect.as(timeline.note(`what is left then can't be asked: ${error.message}`), [] as const))
  )
  if (leftByCaller.length > 0)
    yield* timeline.note(`left then: ${leftByCaller.map(({ kind, name }) => `${kind} ${name}`).join(", ")}`)

  const bound = plan.timeout + plan.grace + processSlack
  /** A helper may start the command after its caller's end. An engine that does not respond may have a helper. */
  const helperWorks = Effect.match(
    Effect.forEach(plan.kind === "fan-out" ? nodes : [target], helperContainers, { concurrency: "unbounded" }),
    { onSuccess: (found) => found.flat().length > 0, onFailure: () => true }
  )
  let lingering = yield* watch.look
  while (lingering.length > 0 || (yield* helperWorks)) {
    if ((yield* Clock.currentTimeMillis) > (watch.firstSeen() ?? started + took) + bound) break
    yield* Effect.sleep(250)
    lingering = yield* watch.look
  }
  const processesLived = (watch.lastSeen() ?? 0) - (watch.firstSeen() ?? 0)
  yield* timeline.note(
    lingering.length === 0 ? `no process of the run is alive; they lived ${processesLived} ms` : "processes still alive"
  )
  yield* watch.kill
  const missed = (yield* Fiber.join(faults)).map(({ name }) => name)
  const { delivery, tasks } = yield* work.look(end, stdout)
  for (const { exit, node, record } of tasks)
    yield* timeline.note(`the command on ${node} wrote: ${record.join(", ") || "nothing"}; told: ${exit ?? "nothing"}`)
  if (delivery !== undefined)
    yield* timeline.note(`arrived: ${delivery.amount}${delivery.isClaimed ? ", and success was reported" : ""}`)

  // Before the swarm is healed, because that starts crashed engines again.
  const crashed = yield* findNewCrash(cluster)
  const look = Effect.gen(function* () {
    yield* recover(stage)
    yield* timeline.note("the swarm is well")
    // A restarted manager lists removed objects for a while. A real leftover exists until it is swept.
    const names = new Set((yield* swarmObjects(cluster)).map(({ name }) => name))
    const reallyLeft = leftByCaller.filter(({ name }) => names.has(name))
    if (reallyLeft.length < leftByCaller.length)
      yield* timeline.note("what was left then is not there: it was gone before")
    yield* sweepRuns(stage, timeline)
    return { reallyLeft, leftBySweep: yield* leftovers(cluster, { timeout: afterSweep }) }
  })
  const looked = yield* Effect.result(asUnhealthy(look))
  // These processes are already reported, and must not appear in the next run.
  yield* watch.kill
  const crash = crashed ?? (yield* findNewCrash(cluster))
  const wellAgain = looked._tag === "Success"
  const observation: Observation = {
    plan,
    end,
    took,
    stderr,
    processesLived,
    lingering,
    atCallersEnd,
    tasks,
    ...(delivery === undefined ? {} : { delivery }),
    leftByCaller: wellAgain ? looked.success.reallyLeft : leftByCaller,
    leftBySweep: wellAgain ? looked.success.leftBySweep : [],
    crash: crash?.message
  }
  return {
    plan,
    exit,
    took,
    violations: violationsOf(observation),
    missed,
    timeline: timeline.lines(),
    command: ["task-exec", ...work.args]
      .map((word) => (/^[\w@=./-]+$/.test(word) ? word : JSON.stringify(word)))
      .join(" "),
    stderr,
    unhealthy: crash?.message ?? (wellAgain ? undefined : looked.failure.message)
  }
}, Effect.scoped)
