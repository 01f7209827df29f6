/** Tests of the exec requests. */
import { createHash, randomBytes } from "node:crypto"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Demux } from "../../src/engine/Demux.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { isNotFound } from "../../src/engine/EngineErrors.ts"
import { attached, awaitExit, type EngineMethods, gather, Sleeper, startExec } from "./EngineFixtures.ts"

/** Registers the tests, for any connection to the engine. */
export const engineExecTests = (it: EngineMethods) => {
  it.effect("returns both outputs and the exit code of an exec", () =>
    Effect.gen(function* () {
      const { id: container } = yield* Sleeper
      const exec = yield* startExec(container, {
        Cmd: ["sh", "-c", 'printf "out $A"; printf err >&2; exit 3'],
        Env: ["A=b"],
        ...attached
      })
      assert.strictEqual(exec.framing, "multiplexed")
      const { stdout, stderr, system } = yield* gather(exec)
      assert.deepStrictEqual([stdout, stderr, system], ["out b", "err", ""])
      const { ExitCode, Running, Pid } = yield* awaitExit(exec.id)
      assert.deepStrictEqual([ExitCode, Running], [3, false])
      assert.isAbove(Pid, 0)
    })
  )

  it.effect("reports an unknown command of an exec", () =>
    Effect.gen(function* () {
      const { id: container } = yield* Sleeper
      const exec = yield* startExec(container, { Cmd: ["/no/such"], ...attached })
      const { stdout, stderr } = yield* gather(exec)
      assert.include(stdout + stderr, "no such file or directory")
      const { ExitCode, Pid } = yield* awaitExit(exec.id)
      assert.strictEqual(Pid, 0)
      assert.isTrue(ExitCode === 126 || ExitCode === 127)
    })
  )

  it.effect("carries megabytes in both directions of an exec at once, and the end of the input", () =>
    Effect.gen(function* () {
      const { id: container } = yield* Sleeper
      const input = randomBytes(5_000_000)
      const exec = yield* startExec(container, { Cmd: ["cat"], ...attached })
      const writing = Effect.gen(function* () {
        for (let at = 0; at < input.length; at += 50_000) yield* exec.write(input.subarray(at, at + 50_000))
        yield* exec.endInput
      })
      const [{ stdout }] = yield* Effect.all([gather(exec), writing], { concurrency: "unbounded" })
      const hash = (data: string | Buffer) => createHash("sha256").update(data).digest("hex")
      assert.strictEqual(hash(Buffer.from(stdout, "latin1")), hash(input))
      assert.strictEqual((yield* awaitExit(exec.id)).ExitCode, 0)
    })
  )

  it.effect("holds back the command of an exec if the consumer does not read", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { id: container } = yield* Sleeper
      const size = 60_000_000
      const exec = yield* startExec(container, { Cmd: ["head", "-c", String(size), "/dev/zero"], ...attached })
      const before = process.memoryUsage().rss
      yield* Effect.sleep("1 second")
      assert.isTrue((yield* engine.inspectExec(exec.id)).Running)
      assert.isBelow(process.memoryUsage().rss - before, 30_000_000)
      const demux = new Demux()
      let seen = 0
      yield* Stream.runForEach(exec.output, (chunk) =>
        Effect.sync(() => {
          for (const { data } of demux.push(chunk)) seen += data.length
        })
      )
      assert.strictEqual(seen, size)
      assert.strictEqual((yield* awaitExit(exec.id)).ExitCode, 0)
    })
  )

  it.effect("loses no output of an exec that leaves its input unread", () =>
    Effect.gen(function* () {
      const { id: container } = yield* Sleeper
      const size = 500_000
      const exec = yield* startExec(container, { Cmd: ["head", "-c", String(size), "/dev/zero"], ...attached })
      const writing = yield* Effect.forkChild(exec.write(Buffer.alloc(100_000)).pipe(Effect.forever, Effect.flip))
      const demux = new Demux()
      let seen = 0
      yield* Stream.runForEach(exec.output, (chunk) =>
        Effect.suspend(() => {
          for (const { data } of demux.push(chunk)) seen += data.length
          return Effect.sleep("10 millis")
        })
      )
      assert.strictEqual(seen, size)
      yield* Fiber.interrupt(writing)
    })
  )

  it.effect("leaves the command of an exec running when the connection closes", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { id: container } = yield* Sleeper
      const scope = yield* Scope.make()
      const exec = yield* startExec(container, { Cmd: ["sleep", "1000"], ...attached }).pipe(Scope.provide(scope))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* engine.inspectExec(exec.id)).Running)
      assert.isNull((yield* engine.inspectExec(exec.id)).ExitCode)
    })
  )

  it.effect("gives an exec a terminal with a size", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { id: container } = yield* Sleeper
      const exec = yield* startExec(
        container,
        { Cmd: ["sh", "-c", "read x; stty size; echo err >&2"], ...attached },
        true
      )
      assert.strictEqual(exec.framing, "raw")
      yield* engine.resizeExec(exec.id, { w: 99, h: 33 }).pipe(
        // The terminal exists shortly after the start.
        Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 3000 })
      )
      yield* exec.write(Buffer.from("\n"))
      const output = Buffer.concat(yield* Stream.runCollect(exec.output)).toString()
      assert.strictEqual(output, "\r\n33 99\r\nerr\r\n")
    })
  )

  it.effect("starts a detached exec, once", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { id: container } = yield* Sleeper
      const id = yield* engine.createExec(container, { Cmd: ["sh", "-c", "exit 5"] })
      assert.isNull((yield* engine.inspectExec(id)).ExitCode)
      yield* engine.startExecDetached(id, { tty: false })
      assert.strictEqual((yield* awaitExit(id)).ExitCode, 5)
      const again = yield* Effect.flip(engine.startExecDetached(id, { tty: false }))
      assert.strictEqual(again._tag === "EngineError" && again.status, 409)
      assert.isTrue(isNotFound(yield* Effect.flip(engine.inspectExec("nope"))))
      assert.isTrue(isNotFound(yield* Effect.flip(Effect.scoped(engine.startExec("nope", { tty: false })))))
    })
  )
}
