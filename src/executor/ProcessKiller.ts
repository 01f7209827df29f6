/**
 * Ends the processes of a run on the node of the engine at hand. The engine itself has no way to end an exec
 * (moby 9098, open since 2014), and the target's image may hold no `kill`, so it is done from outside the target:
 * directly where this process sees the engine's processes, otherwise from a container of our own image with the
 * host's PID space.
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { owned } from "../engine/Owned.ts"
import { imageCommands } from "../ImageCommands.ts"
import { freshName, lastingFor, makeOwnership, type Ownership, ownershipLabels } from "../Labels.ts"
import { EndRun } from "./ExecSpec.ts"
import { Ending, unconfirmed } from "./ExecutorErrors.ts"
import { hostPidContainer, imageHere, reachesProcessesOf } from "./HostView.ts"
import { EndOthers, endMarked, othersGrace } from "./MarkedProcesses.ts"

/** Where the killer's container comes from, and whose it is. */
export interface KillerOptions {
  /** Our own image; asked for only when it is needed, and pulled if this node has none. */
  readonly image: Effect.Effect<string>
  readonly owner: Ownership
}

/** What a killer reads as its one argument: whose processes to end. */
export const KillRequest = Schema.fromJsonString(Schema.Union([EndRun, EndOthers]))

/** What the killer's container prints. */
export const KillReport = Schema.fromJsonString(Ending)

/** Bound on what goes around the killing itself: making the container, reading its report. */
const overhead = 15_000

/** Ends runs on one engine's node. */
export class ProcessKiller extends Context.Service<
  ProcessKiller,
  {
    /** Ends every process that carries the run's mark, and looks again. What could not be done is in the result. */
    readonly end: (run: EndRun) => Effect.Effect<Ending>
  }
>()("task-exec/ProcessKiller") {
  /** On the engine in the context. */
  static readonly layer = (options: KillerOptions): Layer.Layer<ProcessKiller, never, DockerEngine> =>
    Layer.effect(
      ProcessKiller,
      Effect.gen(function* () {
        const engine = yield* DockerEngine
        const end = Effect.fn("ProcessKiller.end")(function* (run: EndRun) {
          if (yield* reachesProcessesOf(engine, run.container)) {
            const ending = yield* endMarked(run)
            // A root without the capabilities can't look at everything; a container of ours can.
            if (ending._tag !== "Unconfirmed") return ending
          }
          return yield* endFromContainer(engine, yield* options.image, options.owner, run)
        })
        return ProcessKiller.of({ end })
      })
    )
}

type Engine = DockerEngine["Service"]

/**
 * Ends the processes of those who are not there any more, on the node of the engine in the context, by a container of the
 * image, which that engine has. What could not be done is in the result.
 */
export const endOthers = Effect.fn("ProcessKiller.endOthers")(function* (image: string, others: EndOthers) {
  const owner = yield* makeOwnership(othersGrace)
  return yield* killFromContainer(yield* DockerEngine, Effect.succeed(image), owner, others, othersGrace)
})

const endFromContainer = (engine: Engine, named: string, owner: Ownership, run: EndRun): Effect.Effect<Ending> => {
  const image = Effect.gen(function* () {
    const here = yield* imageHere(engine, named)
    if (here === undefined) yield* Stream.runDrain(engine.pullImage(named))
    return here ?? named
  })
  return killFromContainer(engine, image, owner, run, run.grace)
}

const killFromContainer = (
  engine: Engine,
  image: Effect.Effect<string, EngineFailure>,
  owner: Ownership,
  what: EndRun | EndOthers,
  grace: number
): Effect.Effect<Ending> =>
  Effect.gen(function* () {
    const request = yield* Schema.encodeEffect(KillRequest)(what)
    const labels = ownershipLabels(yield* lastingFor(owner, grace + overhead), "killer")
    const config = hostPidContainer(yield* image, [imageCommands.kill, request], labels)
    const name = freshName("killer")
    const { id } = yield* owned(
      Effect.uninterruptible(engine.createContainer({ name, config })),
      engine.removeContainer(name, { force: true }),
      `docker rm --force ${name}`
    )
    yield* engine.startContainer(id)
    yield* engine.waitContainer(id)
    const { stdout } = yield* engine.containerLogs(id)
    return yield* Schema.decodeUnknownEffect(KillReport)(new TextDecoder().decode(stdout).trim())
  }).pipe(
    Effect.scoped,
    Effect.timeout(grace + overhead),
    Effect.catch((error) => Effect.succeed(unconfirmed(error.message)))
  )
