import { assert, layer } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import {
  awaitExit,
  createHelper,
  type ExecRequest,
  exec,
  HelperImage,
  lookupTask,
  parseTarget,
  type RunEvent,
  Swarm,
  TaskExec
} from "../../src/index.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

layer(Library.pipe(Layer.provideMerge(Web.layer("library"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "the library",
  (it) => {
    for (const place of ["local", "remote"] as const) {
      const request = (script: string, more: Partial<ExecRequest> = {}) =>
        Effect.map(
          Web,
          (web): ExecRequest => ({ target: web.target(web[place]), command: ["sh", "-c", script], ...more })
        )

      it.effect(`${place}: run gives exit code, output, task and route`, () =>
        Effect.gen(function* () {
          const web = yield* Web
          const result = yield* TaskExec.run(yield* request("echo out; echo $A >&2; exit 3", { env: { A: "err" } }))
          assert.deepStrictEqual([result.exitCode, text(result.stdout), text(result.stderr)], [3, "out\n", "err\n"])
          assert.deepStrictEqual(
            [result.task.id, result.route],
            [web[place].id, place === "local" ? "local" : "helper"]
          )
        })
      )

      it.effect(`${place}: the stages, composed by hand, equal run`, () =>
        Effect.gen(function* () {
          const web = yield* Web
          const { manager } = yield* SwarmCluster
          const target = yield* Effect.fromResult(parseTarget(web.target(web[place])))
          const stages = Effect.fnUntraced(function* (command: ReadonlyArray<string>, timeout: Duration.Input) {
            const task = yield* lookupTask(target)
            const helper = yield* createHelper(task, { command, timeout, grace: "1 second" })
            let output = ""
            const code = yield* awaitExit(exec(helper).events, (event) =>
              Effect.sync(() => {
                if (event._tag === "Stdout") output += text(event.data)
              })
            )
            return [code, output]
          }, Effect.scoped)
          const engine = Swarm.layerFor({ _tag: "Unix", path: manager.socket })
          const run = (command: ReadonlyArray<string>, timeout: Duration.Input = "2 minutes") =>
            stages(command, timeout).pipe(Effect.provide(HelperImage.layer), Effect.provide(engine))
          assert.deepStrictEqual(yield* run(["sh", "-c", "echo out; exit 3"]), [3, "out\n"])
          assert.strictEqual((yield* Effect.flip(run(["foobarnone"])))._tag, "CommandNotFound")
          assert.strictEqual((yield* Effect.flip(run(["sleep", "1000"], "1 second")))._tag, "ExecTimeout")
        })
      )

      it.effect(`${place}: stream gives the events in order`, () =>
        Effect.gen(function* () {
          const events = yield* Stream.runCollect(TaskExec.stream(yield* request("echo out")))
          assert.deepStrictEqual(
            events.map(({ _tag }) => _tag),
            ["Resolved", "Started", "Stdout", "Exited"]
          )
        })
      )

      it.effect(`${place}: a detached run has no exit code`, () =>
        Effect.gen(function* () {
          const result = yield* TaskExec.run(yield* request("true", { detach: true }))
          assert.deepStrictEqual([result.exitCode, result.stdout.length], [undefined, 0])
        })
      )

      it.effect(`${place}: failures are typed, and tell whether anything has run`, () =>
        Effect.gen(function* () {
          const web = yield* Web
          const target = web.target(web[place])
          const failure = (wanted: ExecRequest) =>
            Effect.map(Effect.flip(TaskExec.run(wanted)), (error) => [error._tag, TaskExec.isNothingRun(error)])
          assert.deepStrictEqual(yield* failure({ target, command: ["foobarnone"] }), ["CommandNotFound", true])
          const nowhere = { target, command: ["true"], workdir: "/nowhere" }
          assert.deepStrictEqual(yield* failure(nowhere), ["CommandNotStarted", true])
          assert.deepStrictEqual(yield* failure({ target, command: [] }), ["InvalidRequest", true])
          assert.deepStrictEqual(yield* failure({ target, command: ["a\0b"] }), ["InvalidRequest", true])
          assert.deepStrictEqual(yield* failure({ target: "we b", command: ["true"] }), ["InvalidTarget", true])
          assert.deepStrictEqual(yield* failure({ target: "nowhere", command: ["true"] }), ["TaskNotFound", true])
          const late = yield* Effect.flip(TaskExec.run({ target, command: ["sleep", "100"], timeout: "500 millis" }))
          assert(late._tag === "ExecTimeout")
          assert.deepStrictEqual(
            [late.after, late.killResult._tag, TaskExec.isNothingRun(late)],
            [500, "Killed", false]
          )
          if (place === "local") return
          const image = { target, command: ["true"], image: "registry.invalid/nothing:1" }
          assert.deepStrictEqual(yield* failure(image), ["HelperImageUnavailable", true])
          const elsewhere = { target, command: ["true"], via: "local" } as const
          assert.deepStrictEqual(yield* failure(elsewhere), ["RouteUnavailable", true])
        })
      )

      it.effect(`${place}: an interruption kills the command and removes everything`, () =>
        Effect.gen(function* () {
          const up = yield* Latch.make()
          const watch = (event: RunEvent) => (event._tag === "Stdout" ? Latch.open(up) : Effect.void)
          const wanted = yield* request("echo up; sleep 1000")
          const fiber = yield* TaskExec.stream(wanted).pipe(Stream.runForEach(watch), Effect.forkChild)
          yield* up.await
          yield* Fiber.interrupt(fiber)
        })
      )

      it.effect(`${place}: a consumer that stops early does so, too`, () =>
        Effect.gen(function* () {
          const wanted = yield* request("yes")
          const first = yield* TaskExec.stream(wanted).pipe(
            Stream.filter((event) => event._tag === "Stdout"),
            Stream.runHead
          )
          assert.strictEqual(first._tag, "Some")
        })
      )

      it.effect(`${place}: a consumer that is slower than the engine's limit loses nothing`, () =>
        Effect.gen(function* () {
          // The engine drops output that is not read within 2 seconds of the command's end.
          let bytes = 0
          const slowly = (event: RunEvent) => {
            if (event._tag !== "Stdout") return Effect.void
            const first = bytes === 0
            bytes += event.data.length
            return first ? Effect.sleep("4 seconds") : Effect.void
          }
          const wanted = yield* request("head -c 30000000 /dev/zero")
          yield* TaskExec.stream(wanted).pipe(Stream.runForEach(slowly))
          assert.strictEqual(bytes, 30_000_000)
        })
      )
    }

    it.effect("run keeps no more than its limit in memory", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const error = yield* Effect.flip(TaskExec.run({ target: web.target(web.local), command: ["yes"] }))
        assert.strictEqual(error._tag, "OutputTooLarge")
      })
    )
  }
)
