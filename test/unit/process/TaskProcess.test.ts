import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { CommandNotStarted, ConnectionLost, PolicyDenied, TaskNotFound } from "../../../src/index.ts"
import * as TaskProcess from "../../../src/process.ts"
import { Calls, layerTest, type Script, type ScriptEvent } from "../../../src/testing.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const layerOf = (script: Script, options: Partial<TaskProcess.TaskProcessOptions> = {}) =>
  TaskProcess.layer({ target: "web.1", ...options }).pipe(Layer.provideMerge(layerTest({ tasks: ["web.1"], script })))

/** The module, method and reason of an error. */
const reasonOf = ({ reason }: PlatformError) => [reason._tag, reason.module, reason.method]

describe("a command of ChildProcess", () => {
  it.effect("becomes a request to the task", () =>
    Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner
      const options = {
        cwd: "log",
        env: { A: "2", B: Redacted.make("3") },
        killSignal: "SIGINT",
        forceKillAfter: "3 seconds"
      } as const
      yield* spawner.exitCode(ChildProcess.make("ls", ["-l", Redacted.make("a b")], options))
      const [call] = yield* Calls.all
      const { command, env, grace, privileged, signal, user, workdir } = call?.request ?? {}
      assert.deepStrictEqual(
        { command, env, grace, privileged, signal, user, workdir },
        {
          command: ["ls", "-l", "a b"],
          env: { A: "2", B: "3", C: "4" },
          grace: "3 seconds",
          privileged: undefined,
          signal: "SIGINT",
          user: "www",
          workdir: "/var/log"
        }
      )
    }).pipe(Effect.provide(layerOf(() => ({}), { user: "www", workdir: "/var", env: { A: "1", C: "4" } })))
  )

  it.effect("has no input in string, lines and exitCode, so that no tunnel is needed for it", () =>
    Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner
      // The answer follows the end of the input.
      assert.strictEqual(yield* spawner.string(ChildProcess.make("cat")), "out")
      const piped = ChildProcess.make("cat").pipe(ChildProcess.pipeTo(ChildProcess.make("cat")))
      assert.deepStrictEqual(yield* spawner.lines(piped), ["out"])
      const own = ChildProcess.make("cat", { stdin: Stream.make(bytes("own")) })
      yield* spawner.exitCode(own)
      assert.strictEqual(Buffer.from((yield* Calls.all).at(-1)?.stdin ?? []).toString(), "own")
    }).pipe(Effect.provide(layerOf(() => ({ stdout: "out" }))))
  )

  const cannot: ReadonlyArray<readonly [string, ChildProcess.Command]> = [
    ["additional file descriptors", ChildProcess.make("a", [], { additionalFds: { fd3: { type: "output" } } })],
    ["the caller's stdin", ChildProcess.make("a", [], { stdin: "inherit" })],
    ["an unknown working directory", ChildProcess.make("a", [], { cwd: "relative" })],
    ["a variable less", ChildProcess.make("a", [], { env: { PATH: undefined }, extendEnv: true })],
    ["a signal that task-exec cannot send", ChildProcess.make("a", [], { killSignal: "SIGSTOP" })],
    ["a pipe to a file descriptor", ChildProcess.pipeTo(ChildProcess.make("a"), ChildProcess.make("b"), { to: "fd3" })]
  ]
  for (const [what, command] of cannot) {
    it.effect(`cannot have ${what}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(reasonOf(yield* Effect.flip(command)), ["BadArgument", "ChildProcess", "spawn"])
        assert.deepStrictEqual(yield* Calls.all, [])
      }).pipe(Effect.provide(layerOf(() => ({}))))
    )
  }

  it.effect("has no process ID, and ends with its caller", () =>
    Effect.gen(function* () {
      const handle = yield* ChildProcess.make("sleep")
      // For `process.kill`, 0 and -1 are groups of the caller's processes.
      assert.isNaN(handle.pid)
      assert.throws(() => process.kill(handle.pid, 0))
      assert.strictEqual((yield* Effect.flip(handle.unref)).reason._tag, "BadArgument")
      assert.strictEqual((yield* Effect.flip(handle.kill({ killSignal: "SIGSTOP" }))).reason._tag, "BadArgument")
      assert.isTrue(yield* handle.isRunning)
    }).pipe(Effect.provide(layerOf(() => Stream.never)))
  )

  it.effect("has the exit code of its shell if nobody signaled it", () =>
    Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner
      assert.strictEqual(Number(yield* spawner.exitCode(ChildProcess.make("sh"))), 143)
    }).pipe(Effect.provide(layerOf(() => ({ exitCode: 143 }))))
  )
})

describe("an error of a run", () => {
  const detail = 'chdir to cwd ("/no") set in config.json failed: no such file or directory'
  const errors = [
    [new TaskNotFound({ target: "web.1", service: "web", detail: "no such task" }), "NotFound"],
    [new PolicyDenied({ container: "c", stands: "ContainerLabel" }), "PermissionDenied"],
    [new CommandNotStarted({ command: "a", detail }), "NotFound"],
    [new CommandNotStarted({ command: "a", detail: "exec format error" }), "Unknown"]
  ] as const
  for (const [error, tag] of errors) {
    it.effect(`${error._tag} is ${tag}, with the error as its cause`, () =>
      Effect.gen(function* () {
        const failed = yield* Effect.flip(ChildProcess.make("a", ["b c"]))
        assert.deepStrictEqual(reasonOf(failed), [tag, "ChildProcess", "spawn"])
        assert.strictEqual(failed.reason.cause, error)
        assert.include(failed.message, `a 'b c'): ${error.message}`)
      }).pipe(Effect.provide(layerOf(() => error)))
    )
  }

  const lost = new ConnectionLost({ node: "node-2", detail: "reset", killResult: { _tag: "Killed" } })
  const script = Stream.concat(Stream.make<[ScriptEvent]>({ _tag: "Stdout", data: bytes("out") }), Stream.fail(lost))

  it.effect("is the error of the output and of the exit code, after the output that arrived", () =>
    Effect.gen(function* () {
      const handle = yield* ChildProcess.make("a")
      const seen: Array<string> = []
      const read = Stream.runForEach(Stream.decodeText(handle.stdout), (text) => Effect.sync(() => seen.push(text)))
      assert.strictEqual((yield* Effect.flip(read)).reason.cause, lost)
      assert.deepStrictEqual(seen, ["out"])
      assert.strictEqual((yield* Effect.flip(handle.exitCode)).reason.cause, lost)
      assert.isFalse(yield* handle.isRunning)
    }).pipe(Effect.provide(layerOf(() => script)))
  )
})
