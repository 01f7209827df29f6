/**
 * Kills the processes of a run on the connected engine's node. The engine can't kill an exec (moby#9098, open since 2014), and the target's
 * image may have no `kill`. So the processes are killed from outside: by this process, if it can reach them, otherwise from a container of
 * the task-exec image with the host's PID namespace.
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
import { findImage, hostPidContainer, reachesProcessesOf } from "./HostView.ts"
import { KillResult, unconfirmed } from "./KillResult.ts"
import { endMarked } from "./MarkedProcesses.ts"

/** Options of a killer's container. */
export interface KillerOptions {
  /** The task-exec image. Evaluated only when it is needed, and pulled if the node does not have it. */
  readonly image: Effect.Effect<string>
  readonly owner: Ownership
}

/** Runs that one container kills. */
const EndRuns = Schema.Struct({ runs: Schema.NonEmptyArray(EndRun) })

/** The only argument of a killer: the runs to kill. */
export const KillRequest = Schema.fromJsonString(EndRuns)

/** The output of a killer: the kill result of each run, in their order. */
export const KillReport = Schema.fromJsonString(Schema.Array(KillResult))

/**
 * Milliseconds for creating the container and reading its report. An engine that starts dozens of containers on two busy cores takes 20 s
 * for one (28.5).
 */
const overhead = 40_000

/** Kills runs on one engine's node. */
export class ProcessKiller extends Context.Service<
  ProcessKiller,
  {
    /** Kills every process with the run's mark, and checks again. Errors are in the result. */
    readonly end: (run: EndRun) => Effect.Effect<KillResult>
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
            const [killResult] = yield* endMarked([run])
            // Root without the capabilities can't inspect every process. A killer's container can.
            if (killResult !== undefined && killResult._tag !== "Unconfirmed") return killResult
          }
          return yield* Effect.uninterruptible(endFromContainer(engine, yield* options.image, options.owner, run))
        })
        return ProcessKiller.of({ end })
      })
    )
}

type Engine = DockerEngine["Service"]

/** The most containers to start at the same time: engine 20.10 takes 0.2 s for each, one after the other. */
const startingAtOnce = 2
/** The most runs per container. Their request is one argument, which Linux limits to 128 KiB. */
const runsAtOnce = 200

/** A run that waits for its killer. */
interface Waiting {
  readonly run: EndRun
  readonly image: Effect.Effect<string, EngineFailure>
  readonly owner: Ownership
  readonly done: Deferred.Deferred<KillResult>
}

/** The killers of one engine. Each container takes all waiting runs: a fan-out may kill hundreds at once. */
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
): Effect.fn.Return<KillResult> {
  const image = Effect.gen(function* () {
    const found = yield* findImage(engine, named)
    if (found === undefined) yield* Stream.runDrain(engine.pullImage(named))
    return found ?? named
  })
  const batches = batchesOf.get(engine) ?? { waiting: [], starting: 0 }
  batchesOf.set(engine, batches)
  const done = yield* Deferred.make<KillResult>()
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
    // The report comes when all runs have ended. A kill must not wait for one that takes longer.
    const all = batches.waiting
      .filter((one) => one.run.grace === run.grace && one.run.mayStart === run.mayStart)
      .slice(0, runsAtOnce)
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
      Effect.flatMap((killResults) =>
        Effect.forEach(all, ({ done }, at) => Deferred.succeed(done, killResults[at] ?? notReported), { discard: true })
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

/** Collects the standard output of a container without a terminal. */
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

/** The work of one container. */
interface Kill {
  readonly image: Effect.Effect<string, EngineFailure>
  readonly owner: Ownership
  readonly what: typeof EndRuns.Type
  readonly grace: number
  /** Run when the engine has started the container. */
  readonly started: Effect.Effect<void>
}

const killFromContainer = (
  engine: Engine,
  { grace, image, owner, started, what }: Kill
): Effect.Effect<ReadonlyArray<KillResult>> =>
  Effect.gen(function* () {
    const request = yield* Schema.encodeEffect(KillRequest)(what)
    const labels = ownershipLabels(yield* lastingFor(owner, grace + overhead), "killer")
    const config = hostPidContainer(yield* image, [imageCommands.kill, request], labels)
    // The engine removes the container even if this process is killed, as a helper is after its grace period.
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
