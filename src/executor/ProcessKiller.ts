/**
 * Ends the processes of a run on the connected engine's node. The engine itself has no way to end an exec
 * (moby 9098, open since 2014), and the target's image may hold no `kill`, so it is done from outside the target:
 * directly where this process sees the engine's processes, otherwise from a container of our own image with the
 * host's PID space.
 */

import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { openAttached } from "../engine/AttachedContainer.ts"
import { Demux } from "../engine/Demux.ts"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { summaryOf } from "../engine/Hints.ts"
import { imageCommands } from "../ImageCommands.ts"
import { freshName, lastingFor, type Ownership, ownershipLabels } from "../Labels.ts"
import { EndRun } from "./ExecSpec.ts"
import { Ending, unconfirmed } from "./ExecutorErrors.ts"
import { findImage, hostPidContainer, reachesProcessesOf } from "./HostView.ts"
import { endMarked } from "./MarkedProcesses.ts"

/** Where the killer's container comes from, and whose it is. */
export interface KillerOptions {
  /** Our own image; asked for only when it is needed, and pulled if this node has none. */
  readonly image: Effect.Effect<string>
  readonly owner: Ownership
}

/** Runs that one container ends. */
const EndRuns = Schema.Struct({ runs: Schema.NonEmptyArray(EndRun) })

/** What a killer reads as its one argument: whose processes to end. */
export const KillRequest = Schema.fromJsonString(EndRuns)

/** What the killer's container prints: what became of each run, in their order. */
export const KillReport = Schema.fromJsonString(Schema.Array(Ending))

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
            const [ending] = yield* endMarked([run])
            // A root without the capabilities can't look at everything; a container of ours can.
            if (ending !== undefined && ending._tag !== "Unconfirmed") return ending
          }
          return yield* Effect.uninterruptible(endFromContainer(engine, yield* options.image, options.owner, run))
        })
        return ProcessKiller.of({ end })
      })
    )
}

type Engine = DockerEngine["Service"]

/** Containers that an engine is asked to start at the same time: 20.10 takes a fifth of a second for each, one after the other. */
const startingAtOnce = 2
/** Runs of one container, whose request is one argument: Linux has 128 KiB for that. */
const runsAtOnce = 200

/** A run that waits for a container which ends it. */
interface Waiting {
  readonly run: EndRun
  readonly image: Effect.Effect<string, EngineFailure>
  readonly owner: Ownership
  readonly done: Deferred.Deferred<Ending>
}

/** Those of one engine. Each container takes all that wait when there is room for it: a fan-out may end hundreds at once. */
interface Batches {
  waiting: ReadonlyArray<Waiting>
  starting: number
}

const batchesOf = new WeakMap<Engine, Batches>()

const endFromContainer = Effect.fnUntraced(function* (
  engine: Engine,
  named: string,
  owner: Ownership,
  run: EndRun
): Effect.fn.Return<Ending> {
  const image = Effect.gen(function* () {
    const found = yield* findImage(engine, named)
    if (found === undefined) yield* Stream.runDrain(engine.pullImage(named))
    return found ?? named
  })
  const batches = batchesOf.get(engine) ?? { waiting: [], starting: 0 }
  batchesOf.set(engine, batches)
  const done = yield* Deferred.make<Ending>()
  batches.waiting = [...batches.waiting, { run, image, owner, done }]
  // Several callers wait for the batch, so it belongs to none of them. An interrupted caller waits too, as this process may end then.
  yield* Effect.forkDetach(endNext(engine, batches))
  return yield* Deferred.await(done)
})

const endNext = (engine: Engine, batches: Batches): Effect.Effect<void> =>
  Effect.suspend(() => {
    const [first] = batches.waiting
    if (first === undefined || batches.starting >= startingAtOnce) return Effect.void
    const { image, owner, run } = first
    // The report comes when all runs have ended. A kill without a grace period must not wait for one with a grace period.
    const all = batches.waiting.filter((one) => one.run.grace === run.grace).slice(0, runsAtOnce)
    batches.waiting = batches.waiting.filter((one) => !all.includes(one))
    batches.starting++
    let isStarting = true
    const started = Effect.suspend(() => {
      if (!isStarting) return Effect.void
      isStarting = false
      batches.starting--
      return Effect.asVoid(Effect.forkDetach(endNext(engine, batches)))
    })
    const runs = [run, ...all.slice(1).map((one) => one.run)] as const
    return killFromContainer(engine, { image, owner, what: { runs }, grace: run.grace, started }).pipe(
      Effect.ensuring(started),
      Effect.catchCause((cause) => Effect.succeed(all.map(() => unconfirmed(Cause.pretty(cause))))),
      Effect.flatMap((endings) =>
        Effect.forEach(all, ({ done }, at) => Deferred.succeed(done, endings[at] ?? notReported), { discard: true })
      )
    )
  })

/** The killer's container, or the engine, took too long. */
class NoReport extends Schema.TaggedError<NoReport>()("NoReport", { after: Schema.Finite }) {
  override get message(): string {
    return `no kill result from the engine within ${this.after / 1000} s`
  }
}

const notReported = unconfirmed("no kill result")

/** What a container without a terminal writes to its standard output until it ends. */
const stdoutOf = <E>(output: Stream.Stream<Uint8Array, E>) =>
  Effect.suspend(() => {
    const demux = new Demux()
    const stdout: Array<Uint8Array> = []
    const take = (chunk: Uint8Array) =>
      Effect.sync(() => {
        for (const { channel, data } of demux.push(chunk)) if (channel === "stdout") stdout.push(data)
      })
    return Effect.map(Stream.runForEach(output, take), () => Buffer.concat(stdout).toString().trim())
  })

/** What one container is to do. */
interface Kill {
  readonly image: Effect.Effect<string, EngineFailure>
  readonly owner: Ownership
  readonly what: typeof EndRuns.Type
  readonly grace: number
  /** To be run when the engine has started it. */
  readonly started: Effect.Effect<void>
}

const killFromContainer = (
  engine: Engine,
  { grace, image, owner, started, what }: Kill
): Effect.Effect<ReadonlyArray<Ending>> =>
  Effect.gen(function* () {
    const request = yield* Schema.encodeEffect(KillRequest)(what)
    const labels = ownershipLabels(yield* lastingFor(owner, grace + overhead), "killer")
    const config = hostPidContainer(yield* image, [imageCommands.kill, request], labels)
    // The engine removes it, also if this process is killed: a helper is, when its service is removed and its grace period is over.
    const { output } = yield* openAttached(engine, freshName("killer"), owner.runId, config)
    yield* started
    return yield* Schema.decodeUnknownEffect(KillReport)(yield* stdoutOf(output))
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: grace + overhead,
      orElse: () => Effect.fail(new NoReport({ after: grace + overhead }))
    }),
    Effect.catch((error) => Effect.succeed(what.runs.map(() => unconfirmed(summaryOf(error)))))
  )
