import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import { EngineError } from "../../../src/engine/EngineErrors.ts"
import type { EndRun } from "../../../src/executor/ExecSpec.ts"
import { KillReport, KillRequest, ProcessKiller } from "../../../src/executor/ProcessKiller.ts"
import { makeOwnership } from "../../../src/Labels.ts"

const refusal = new EngineError({ host: "h", operation: "start a container", status: 500, text: "no" })

const image = {
  Id: "i",
  RepoTags: [],
  RepoDigests: [],
  Architecture: "amd64",
  Os: "linux",
  Config: { Env: [], Labels: {}, User: "", Entrypoint: [], Cmd: [] }
}

/** The report on these runs, as the engine sends it to those who are attached. */
const reportOn = (runs: ReadonlyArray<EndRun> = []) =>
  Schema.encodeEffect(KillReport)(runs.map(({ runId }) => ({ _tag: "Alive", pids: [Number(runId)] }))).pipe(
    Effect.map((text) => {
      const header = Buffer.alloc(8)
      header.writeUInt8(1, 0)
      header.writeUInt32BE(Buffer.byteLength(text), 4)
      return Buffer.concat([header, Buffer.from(text)])
    }),
    Effect.orDie
  )

const attached = (output: Effect.Effect<Uint8Array>) => ({
  output: Stream.fromEffect(output),
  arrival: Effect.void,
  write: () => Effect.void,
  endInput: Effect.void
})

/** An engine whose killers report of each run that as many processes are alive as its number says; `asked` has their requests. */
const engineWith = (asked: Array<ReadonlyArray<EndRun>>, other: Partial<DockerEngine["Service"]> = {}) =>
  Layer.mock(DockerEngine)({
    host: "h",
    inspectContainer: () => Effect.fail(refusal),
    inspectImage: () => Effect.succeed(image),
    createContainer: ({ config: { Cmd = [] } }) =>
      Effect.gen(function* () {
        const request = yield* Schema.decodeUnknownEffect(KillRequest)(Cmd[1])
        if ("runs" in request) asked.push(request.runs)
        return { id: String(asked.length - 1), warnings: [] }
      }).pipe(Effect.orDie),
    startContainer: () => Effect.sleep(200),
    attachContainer: (id) => Effect.succeed(attached(reportOn(asked[Number(id)]))),
    removeContainer: () => Effect.void,
    ...other
  })

const runOf = (number: number, grace: number): EndRun => ({
  runId: String(number),
  container: "c",
  signal: "SIGTERM",
  grace
})

/** Ends them at the same time, each by a killer of its own, as those of a fan-out are. */
const endAll = (runs: ReadonlyArray<EndRun>, engine: Layer.Layer<DockerEngine>) =>
  Effect.forEach(
    runs,
    (run) =>
      Effect.gen(function* () {
        const killer = ProcessKiller.layer({ image: Effect.succeed("image"), owner: yield* makeOwnership(undefined) })
        return yield* ProcessKiller.use(({ end }) => end(run)).pipe(Effect.provide(killer))
      }),
    { concurrency: "unbounded" }
  ).pipe(Effect.provide(engine))

describe("ProcessKiller", () => {
  it.live("kills of several runs at once share a few containers, and each gets its own result", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<EndRun>> = []
      const runs = Array.from({ length: 500 }, (_, at) => runOf(at, 1000))
      const killResults = yield* endAll(runs, engineWith(asked))
      assert.deepStrictEqual(
        killResults,
        runs.map((_, at) => ({ _tag: "Alive", pids: [at] }))
      )
      assert.isAtMost(asked.length, 5)
      for (const batch of asked) assert.isAtMost(batch.length, 200)
    })
  )

  it.live("kills without a grace period use separate containers", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<EndRun>> = []
      yield* endAll(
        Array.from({ length: 20 }, (_, at) => runOf(at, at % 2 === 0 ? 0 : 5000)),
        engineWith(asked)
      )
      for (const batch of asked) assert.lengthOf(new Set(batch.map(({ grace }) => grace)), 1)
      assert.lengthOf(asked.flat(), 20)
    })
  )

  it.effect("an interrupted caller waits until the container is removed", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<EndRun>> = []
      const atWork = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      let isGone = false
      const engine = engineWith(asked, {
        attachContainer: () =>
          Effect.succeed(
            attached(
              Deferred.succeed(atWork, undefined).pipe(
                Effect.andThen(Deferred.await(done)),
                Effect.andThen(reportOn(asked[0]))
              )
            )
          ),
        removeContainer: () =>
          Effect.sync(() => {
            isGone = true
          })
      })
      const killing = yield* Effect.forkChild(endAll([runOf(1, 0)], engine))
      yield* TestClock.adjust(200)
      yield* Deferred.await(atWork)
      const interrupted = yield* Effect.forkChild(Fiber.interrupt(killing))
      yield* TestClock.adjust(100)
      assert.isUndefined(interrupted.pollUnsafe())
      yield* Deferred.succeed(done, undefined)
      yield* Fiber.join(interrupted)
      assert.isTrue(isGone)
    })
  )

  it.effect("the engine removes the container after its end, even without the caller", () =>
    Effect.gen(function* () {
      const hosts: Array<unknown> = []
      const engine = engineWith([], {
        createContainer: ({ config }) => {
          hosts.push(config.HostConfig?.AutoRemove)
          return Effect.fail(refusal)
        }
      })
      yield* endAll([runOf(1, 0)], engine)
      assert.deepStrictEqual(hosts, [true])
    })
  )

  it.live("a container that does not start is reported by every run, and later kills are tried", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<EndRun>> = []
      const engine = engineWith(asked, { startContainer: () => Effect.fail(refusal) })
      const all = Effect.forEach([1, 2], () =>
        endAll(
          [1, 2, 3].map((at) => runOf(at, 0)),
          engine
        )
      )
      for (const killResult of (yield* all).flat())
        assert.deepStrictEqual(killResult, { _tag: "Unconfirmed", detail: refusal.message })
      assert.isAtLeast(asked.length, 2)
    })
  )
})
