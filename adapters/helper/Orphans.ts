/** Ends what an agent that was killed left running on its node. */
import * as Effect from "effect/Effect"
import { agentLabels } from "../../src/agent/AgentProtocol.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { EndRun } from "../../src/executor/ExecSpec.ts"
import { describeEnding } from "../../src/executor/ExecutorErrors.ts"
import { ProcessKiller } from "../../src/executor/ProcessKiller.ts"
import { makeOwnership } from "../../src/Labels.ts"
import { openRuns } from "./RequestLog.ts"

/** How long such a command may take to end by itself, in milliseconds. */
const grace = 5000
/** How much of a log is read: lines, and bytes. */
const tail = 20_000
const limit = 16 * 1024 * 1024

/**
 * Ends the commands that agents on this node began, and that had neither ended nor been let go of when these agents were gone.
 *
 * **Details**: the logs of the agents whose containers have stopped say which these are. A process is ended if it has the ID of such a
 * run in its environment and is in the container of that run; no other process is.
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
      // Swarm removes containers of tasks that ended long ago.
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
  const endings = yield* Effect.forEach(orphans, (run) => ProcessKiller.use(({ end }) => end(run)), {
    concurrency: "unbounded"
  }).pipe(Effect.provide(ProcessKiller.layer({ image: Effect.succeed(image), owner })))
  for (const ending of new Set(endings.filter(({ _tag }) => _tag !== "Killed").map(describeEnding))) {
    yield* Effect.logWarning(`commands of an agent before this one: ${ending}`)
  }
})
