/** Kills the commands that a killed agent left running on its node. */
import * as Effect from "effect/Effect"
import { agentLabels } from "../../src/agent/AgentProtocol.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { EndRun } from "../../src/executor/ExecSpec.ts"
import { describeKillResult } from "../../src/executor/KillResult.ts"
import { ProcessKiller } from "../../src/executor/ProcessKiller.ts"
import { makeOwnership } from "../../src/Labels.ts"
import { openRuns } from "./RequestLog.ts"

/** The grace period of such a command, in milliseconds. */
const grace = 5000
/** The most lines and bytes that are read from a log. */
const tail = 20_000
const limit = 16 * 1024 * 1024

/**
 * Kills the commands of earlier agents on this node that had neither ended nor been detached when their agent ended.
 *
 * **Details**: the logs of stopped agent containers name these commands. A process is killed only if it is in the container of such a run
 * and has the run's ID in its environment.
 */
export const endOrphans = Effect.fn("Agent.endOrphans")(function* (image: string) {
  const engine = yield* DockerEngine
  const [agents, running] = yield* Effect.all(
    [
      engine.listContainers({ label: [agentLabels.version] }, { all: true }),
      engine.listContainers({ status: ["running"] }, { all: false })
    ],
    { concurrency: 2 }
  )
  const gone = agents.filter(({ State }) => State === "exited" || State === "dead")
  const logs = yield* Effect.forEach(gone, ({ Id }) =>
    engine.containerLogs(Id, { tail, limit }).pipe(
      Effect.map(({ stdout }) => new TextDecoder().decode(stdout)),
      // Swarm may remove the container of a task that has ended.
      Effect.catch((error) => Effect.as(Effect.logDebug(error.message), ""))
    )
  )
  const alive = new Set(running.map(({ Id }) => Id))
  const orphans = logs
    .flatMap(openRuns)
    .filter(({ container }) => alive.has(container))
    .map(({ container, run }): EndRun => ({ runId: run, container, signal: "SIGTERM", grace, inContainer: true }))
  if (orphans.length === 0) return
  const owner = yield* makeOwnership(grace)
  const killResults = yield* Effect.forEach(orphans, (run) => ProcessKiller.use(({ end }) => end(run)), {
    concurrency: "unbounded"
  }).pipe(Effect.provide(ProcessKiller.layer({ image: Effect.succeed(image), owner })))
  for (const complaint of new Set(killResults.filter(({ _tag }) => _tag !== "Killed").map(describeKillResult))) {
    yield* Effect.logWarning(`commands of an agent before this one: ${complaint}`)
  }
})
