/** One run: a command, what happens to it, and what is seen of it afterwards. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { HelperImage } from "../../src/route/HelperImage.ts"
import { sweep } from "../../src/sweep/Sweep.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { leftovers } from "../cluster/Leftovers.ts"
import { execIn } from "../cluster/Services.ts"
import type { ClusterNode } from "../cluster/SwarmCluster.ts"
import { startCaller } from "./Caller.ts"
import { callerSlack, type Observation, processSlack, type Violation, violationsOf } from "./Checks.ts"
import { inject } from "./Faults.ts"
import { type Plan, recordFolder, scriptOf } from "./Plan.ts"
import { runVariable, watchProcesses } from "./ProcessWatch.ts"
import { slowSocket } from "./SlowSocket.ts"
import { heal, type Stage, tasksOf, Unhealthy } from "./Stage.ts"
import { swarmObjects } from "./SwarmView.ts"
import { makeTimeline, type Timeline } from "./Timeline.ts"

/** What became of a run. */
export interface RunReport {
  readonly plan: Plan
  /** `0`, `SIGKILL`, or `none` when it did not end. */
  readonly exit: string
  /** Milliseconds until the caller's end. */
  readonly took: number
  readonly violations: ReadonlyArray<Violation>
  readonly timeline: ReadonlyArray<string>
  readonly command: string
  readonly stderr: string
  /** Why the swarm can't be used any more. */
  readonly unhealthy: string | undefined
}

/** How far in the future the sweep takes place: every deadline is over then. */
const later = 3_600_000
/** How long containers and processes may take to go after the sweep, in milliseconds. */
const afterSweep = 30_000
const sweeps = 3

/** Removes what is past its deadline an hour from now, which is everything; gives what is there all the same. */
const sweepLater = Effect.fnUntraced(function* (stage: Stage, timeline: Timeline) {
  const { manager } = stage.cluster
  const library = HelperImage.layerOf(stage.image).pipe(
    Layer.provideMerge(DockerEngine.layerFor({ _tag: "Unix", path: manager.socket }))
  )
  for (let attempt = 1; attempt <= sweeps; attempt++) {
    const report = yield* sweep({ now: (yield* Clock.currentTimeMillis) + later }).pipe(Effect.provide(library))
    const missed = report.unanswered.map(({ hostname, reason }) => `${hostname} (${reason})`)
    const removed = report.leftovers.map(({ error, kind, name }) => `${kind} ${name}${error ? ` (${error})` : ""}`)
    if (removed.length > 0) yield* timeline.note(`the sweep found ${removed.join(", ")}`)
    if (missed.length === 0) break
    yield* timeline.note(`the sweep did not reach ${missed.join(", ")}`)
  }
  return yield* leftovers(stage.cluster, { patience: afterSweep })
})

const readRecord = (node: ClusterNode, container: string, file: string) =>
  Effect.map(execIn(node.socket, container, ["sh", "-c", `cat ${file} 2>/dev/null; rm -f ${file}`]), ({ stdout }) =>
    stdout.split("\n").filter((line) => line !== "")
  )

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

/** Does one run and gives what became of it. The swarm is well again then, or the report says that it is not. */
export const performRun = Effect.fn("Chaos.run")(function* (
  stage: Stage,
  plan: Plan
): Effect.fn.Return<RunReport, Unhealthy, Scope.Scope> {
  const { cluster } = stage
  const token = `${cluster.id}-${plan.seed}-${plan.number}`
  const record = `${recordFolder}/${token}`
  const target = yield* nodeNamed(stage, plan.target)
  const manager = yield* nodeNamed(stage, plan.manager)
  const task = yield* asUnhealthy(taskOn(stage, target))

  const timeline = yield* makeTimeline
  const watch = yield* watchProcesses(token)
  const proxy = yield* engineProxy(manager.socket)
  const slow = yield* slowSocket(proxy.dockerHost.replace("unix://", ""))
  const args = [
    ...["--timeout", `${plan.timeout}ms`, "--grace", `${plan.grace}ms`, "-e", `${runVariable}=${token}`],
    ...[`${stage.service}@${target.name}`, "sh", "-c", scriptOf(plan, record)]
  ]
  yield* timeline.note(`the caller starts, at ${manager.name}`)
  const started = yield* Clock.currentTimeMillis
  const caller = yield* startCaller([process.execPath, stage.program, ...args], {
    PATH: process.env.PATH ?? "",
    HOME: "/",
    DOCKER_HOST: slow.dockerHost,
    TASK_EXEC_IMAGE: stage.image
  })
  const faults = yield* Effect.forkScoped(
    Effect.forEach(
      plan.faults,
      (fault) => inject({ cluster, target, container: task.containerId, caller, proxy, slow, timeline }, fault),
      { concurrency: "unbounded", discard: true }
    )
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
  let lingering = yield* watch.look
  while (lingering.length > 0) {
    const now = yield* Clock.currentTimeMillis
    if (now - (watch.firstSeen() ?? now) > bound) break
    yield* Effect.sleep(250)
    lingering = yield* watch.look
  }
  const processesLived = (watch.lastSeen() ?? 0) - (watch.firstSeen() ?? 0)
  yield* timeline.note(
    lingering.length === 0 ? `no process of the run is alive; they lived ${processesLived} ms` : "processes still alive"
  )
  yield* watch.kill
  yield* Fiber.join(faults)

  const look = Effect.gen(function* () {
    yield* heal(stage)
    const lines = yield* readRecord(target, (yield* taskOn(stage, target)).containerId, record)
    yield* timeline.note(`the swarm is well; the command wrote: ${lines.join(", ") || "nothing"}`)
    const left = yield* sweepLater(stage, timeline)
    return { lines, left }
  })
  const looked = yield* Effect.result(asUnhealthy(look))
  const wellAgain = looked._tag === "Success"
  const observation: Observation = {
    plan,
    end,
    took,
    stdout,
    stderr,
    processesLived,
    lingering,
    atCallersEnd,
    record: wellAgain ? looked.success.lines : undefined,
    leftByCaller,
    leftBySweep: wellAgain ? looked.success.left : []
  }
  return {
    plan,
    exit,
    took,
    violations: violationsOf(observation),
    timeline: timeline.lines(),
    command: ["task-exec", ...args].map((word) => (/^[\w@=./-]+$/.test(word) ? word : JSON.stringify(word))).join(" "),
    stderr,
    unhealthy: wellAgain ? undefined : looked.failure.message
  }
}, Effect.scoped)
