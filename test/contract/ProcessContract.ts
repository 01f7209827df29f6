/** The contract of Effect's `ChildProcess`, for the spawner of Effect for Node and for the one over a task. */
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { ContractCase } from "./ContractCase.ts"

type Case = ContractCase<ChildProcessSpawner>

type Bytes = Stream.Stream<Uint8Array, PlatformError.PlatformError>

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = (stream: Bytes) => Stream.mkString(Stream.decodeText(stream))
const sh = (script: string, options?: ChildProcess.CommandOptions) => ChildProcess.make("sh", ["-c", script], options)

/** The output of a command and its exit code. */
const resultOf = Effect.fnUntraced(function* (command: ChildProcess.Command) {
  const handle = yield* command
  const [stdout, stderr] = yield* Effect.all([textOf(handle.stdout), textOf(handle.stderr)], { concurrency: 2 })
  return [stdout, stderr, Number(yield* handle.exitCode)] as const
})

/** A case that compares what a command writes to stdout, to stderr, and its exit code. */
const gives = (
  name: string,
  command: ChildProcess.Command,
  expected: readonly [stdout: string, stderr?: string, exitCode?: number]
): Case => {
  const [stdout, stderr = "", exitCode = 0] = expected
  return {
    name,
    check: Effect.map(resultOf(command), (result) => assert.deepStrictEqual(result, [stdout, stderr, exitCode]))
  }
}

/** A case in which a command cannot be started. */
const refuses = (name: string, command: ChildProcess.Command, tag: string): Case => ({
  name,
  check: Effect.map(Effect.flip(command), (error) => {
    assert.instanceOf(error, PlatformError.PlatformError)
    assert.strictEqual(error.reason._tag, tag)
  })
})

/** Reads stdout in the background until it has this text. Then completes with an effect that reads on. */
const until = Effect.fnUntraced(function* (handle: ChildProcessHandle, wanted: string) {
  let text = ""
  const found = yield* Deferred.make<void, PlatformError.PlatformError>()
  const take = (piece: string) => {
    text += piece
    return text.includes(wanted) ? Deferred.succeed(found, undefined) : Effect.void
  }
  yield* Stream.runForEach(Stream.decodeText(handle.stdout), take).pipe(
    Effect.andThen(Effect.suspend(() => Deferred.die(found, `no ${wanted} in ${text}`))),
    Effect.forkScoped
  )
  yield* Deferred.await(found)
  return () => text
})

/** Whether a process of the same machine or container runs. A zombie does not count: the first process of a container may not reap it. */
const isAlive = (pid: string) =>
  Effect.map(resultOf(sh(`grep -q '^State:.[^Z]' /proc/${pid}/status 2>/dev/null`)), ([, , code]) => code === 0)

const failsWith = Effect.fnUntraced(function* <A>(effect: Effect.Effect<A, PlatformError.PlatformError>) {
  return (yield* Effect.flip(effect)).reason
})

/** The cases. Each runs in its own scope. */
export const processContract: ReadonlyArray<Case> = [
  gives("arguments arrive as they are", ChildProcess.make("printf", ["%s|", "a b", "", "*", "$HOME", "é"]), [
    "a b||*|$HOME|é|"
  ]),
  gives("a template is split into words", ChildProcess.make`echo ${"a b"} ${7} ${["-n", "c"]} "d e"`, [
    "a b 7 -n c d e\n"
  ]),
  gives("an argument may be redacted", ChildProcess.make("echo", [Redacted.make("secret")]), ["secret\n"]),
  gives("stdout and stderr come apart", sh("echo out; echo err >&2; exit 3"), ["out\n", "err\n", 3]),
  gives("the working directory is that of the options", ChildProcess.make({ cwd: "/usr/bin" })`pwd`, ["/usr/bin\n"]),
  gives(
    "variables are added to the environment",
    sh('test -n "$PATH" && echo "$A $B"', { env: { A: "1", B: Redacted.make("2") }, extendEnv: true }),
    ["1 2\n"]
  ),
  gives(
    "setEnv adds to the variables and overrides them",
    sh('echo "$A $B $C"', { env: { A: "1", B: "2" }, extendEnv: true }).pipe(ChildProcess.setEnv({ B: "3", C: "4" })),
    ["1 3 4\n"]
  ),
  gives("without a shell nothing is expanded", ChildProcess.make("echo", ["$HOME", "|", "cat"]), ["$HOME | cat\n"]),
  gives("a script runs in the shell", ChildProcess.make("echo hello | tr a-z A-Z", { shell: true }), ["HELLO\n"]),
  gives("a script runs in the named shell", ChildProcess.make("echo $((1 + 2))", { shell: "/bin/sh" }), ["3\n"]),
  refuses("a script has no arguments", ChildProcess.make("echo", ["a"], { shell: true }), "BadArgument"),
  refuses("an argument has no NUL", ChildProcess.make("echo", ["a\0b"]), "BadArgument"),
  refuses(
    "a variable has no NUL",
    ChildProcess.make("echo", [], { env: { A: "a\0b" }, extendEnv: true }),
    "BadArgument"
  ),
  refuses("a program that does not exist is not found", ChildProcess.make("no-such-program"), "NotFound"),
  refuses("a file that is no program is denied", ChildProcess.make("/etc/passwd"), "PermissionDenied"),
  refuses("a directory that does not exist is not found", ChildProcess.make({ cwd: "/no/such" })`pwd`, "NotFound"),
  {
    name: "an error shows the command, but no redacted argument",
    check: Effect.gen(function* () {
      const error = yield* Effect.flip(ChildProcess.make("no-such-program", ["seen", Redacted.make("hidden")]))
      assert.include(error.message, "no-such-program seen")
      assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "hidden")
    })
  },
  {
    name: "all has both outputs, whole",
    check: Effect.gen(function* () {
      const handle = yield* sh("for i in 1 2 3; do echo out$i; echo err$i >&2; done")
      const lines = (yield* textOf(handle.all)).trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("out")),
        ["out1", "out2", "out3"]
      )
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("err")),
        ["err1", "err2", "err3"]
      )
    })
  },
  {
    name: "an ignored output is empty",
    check: Effect.gen(function* () {
      const command = sh("echo out; echo err >&2", { stdout: "ignore", stderr: "ignore" })
      assert.deepStrictEqual(yield* resultOf(command), ["", "", 0])
    })
  },
  {
    name: "a Sink takes the output, and its results are the output",
    check: Effect.gen(function* () {
      const taken: Array<Uint8Array> = []
      const keep = Sink.forEachArray((chunks: ReadonlyArray<Uint8Array>) => Effect.sync(() => taken.push(...chunks)))
      const handle = yield* sh("echo out", { stdout: Sink.map(keep, () => bytes("result")) })
      assert.strictEqual(yield* textOf(handle.stdout), "result")
      assert.strictEqual(Buffer.concat(taken).toString(), "out\n")
    })
  },
  {
    name: "string, lines and exitCode of the service",
    check: Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner
      const command = sh("echo a; echo b; echo err >&2; exit 4")
      assert.strictEqual(yield* spawner.string(command), "a\nb\n")
      assert.deepStrictEqual(yield* spawner.lines(command), ["a", "b"])
      assert.strictEqual((yield* spawner.lines(command, { includeStderr: true })).length, 3)
      assert.strictEqual(Number(yield* spawner.exitCode(command)), 4)
    })
  },
  {
    name: "lines arrive while the command runs",
    check: Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner
      const lines = spawner.streamLines(sh("echo one; sleep 1000"))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(lines, 1)), ["one"])
    })
  },
  {
    name: "several megabytes of output arrive whole",
    check: Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner
      const text = yield* spawner.string(sh("seq 1 500000; seq 1 100000 >&2"))
      assert.strictEqual(text.length, 3_388_895)
      assert.isTrue(text.endsWith("\n499999\n500000\n"))
    })
  },
  {
    name: "exitCode of the service reads what nobody wants",
    check: Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner
      assert.strictEqual(Number(yield* spawner.exitCode(sh("seq 1 500000; seq 1 500000 >&2; exit 5"))), 5)
    })
  },
  {
    name: "little output can be read after the end",
    check: Effect.gen(function* () {
      const handle = yield* sh("echo out; echo err >&2")
      assert.strictEqual(Number(yield* handle.exitCode), 0)
      assert.isFalse(yield* handle.isRunning)
      assert.deepStrictEqual([yield* textOf(handle.stderr), yield* textOf(handle.stdout)], ["err\n", "out\n"])
    })
  },
  gives("a Stream is the input", ChildProcess.make("cat", { stdin: Stream.make(bytes("a "), bytes("b")) }), ["a b"]),
  gives("an empty Stream ends the input", ChildProcess.make("cat", { stdin: Stream.empty }), [""]),
  gives("an ignored input is empty", ChildProcess.make("cat", { stdin: "ignore" }), [""]),
  {
    name: "one megabyte goes in and comes out whole",
    check: Effect.gen(function* () {
      const input = Array.from({ length: 16 }, (_, at) => new Uint8Array(65_536).fill(at))
      const handle = yield* ChildProcess.make("cat", { stdin: Stream.fromIterable(input) })
      assert.isTrue(Buffer.concat(yield* Stream.runCollect(handle.stdout)).equals(Buffer.concat(input)))
    })
  },
  {
    name: "input is written to the handle, which ends it",
    check: Effect.gen(function* () {
      const handle = yield* ChildProcess.make("cat")
      yield* Stream.run(Stream.make(bytes("one "), bytes("two")), handle.stdin)
      assert.strictEqual(yield* textOf(handle.stdout), "one two")
      assert.strictEqual(Number(yield* handle.exitCode), 0)
    })
  },
  {
    name: "without endOnDone the input goes on",
    check: Effect.gen(function* () {
      const handle = yield* sh('read a; read b; echo "$b $a"', { stdin: { stream: "pipe", endOnDone: false } })
      yield* Stream.run(Stream.make(bytes("one\n")), handle.stdin)
      yield* Stream.run(Stream.make(bytes("two\n")), handle.stdin)
      assert.strictEqual(yield* textOf(handle.stdout), "two one\n")
    })
  },
  {
    name: "input that fails is the error of the exit code",
    check: Effect.gen(function* () {
      const error = PlatformError.badArgument({ module: "Test", method: "input" })
      const handle = yield* ChildProcess.make("cat", {
        stdin: Stream.concat(Stream.make(bytes("a")), Stream.fail(error))
      })
      assert.strictEqual(yield* failsWith(handle.exitCode), error.reason)
    })
  },
  gives("endless input ends with the command", sh("head -c 4", { stdin: Stream.forever(Stream.make(bytes("abc"))) }), [
    "abca"
  ]),
  {
    name: "kill ends the command, whose exit code is then an error",
    check: Effect.gen(function* () {
      const handle = yield* ChildProcess.make("sleep", ["1000"])
      assert.isTrue(yield* handle.isRunning)
      yield* handle.kill()
      assert.isFalse(yield* handle.isRunning)
      const { module, method } = yield* failsWith(handle.exitCode)
      assert.deepStrictEqual([module, method], ["ChildProcess", "exitCode"])
    })
  },
  {
    name: "kill sends the signal of its options",
    check: Effect.gen(function* () {
      const handle = yield* sh("trap 'exit 3' USR1; echo up; while :; do sleep 0.1; done")
      yield* until(handle, "up\n")
      yield* handle.kill({ killSignal: "SIGUSR1" })
      assert.strictEqual(Number(yield* handle.exitCode), 3)
    })
  },
  {
    name: "kill takes a command that ignores the signal, after forceKillAfter",
    check: Effect.gen(function* () {
      const handle = yield* sh("trap '' TERM; echo up; while :; do sleep 0.1; done")
      yield* until(handle, "up\n")
      yield* handle.kill({ killSignal: "SIGTERM", forceKillAfter: "50 millis" })
      assert.isFalse(yield* handle.isRunning)
      yield* failsWith(handle.exitCode)
    })
  },
  {
    name: "kill ends a command whose output nobody reads",
    check: Effect.gen(function* () {
      const handle = yield* ChildProcess.make("yes")
      yield* handle.kill()
      yield* failsWith(handle.exitCode)
    })
  },
  {
    name: "kill takes the child processes, too",
    check: Effect.gen(function* () {
      const handle = yield* sh("sleep 1000 & echo pid $! end; wait")
      const text = yield* until(handle, "end\n")
      const pid = text().split(" ")[1] ?? ""
      assert.isTrue(yield* isAlive(pid))
      yield* handle.kill()
      assert.isFalse(yield* isAlive(pid))
    })
  },
  {
    name: "a command that has ended can't be killed",
    check: Effect.gen(function* () {
      const handle = yield* ChildProcess.make("true")
      yield* handle.exitCode
      yield* failsWith(handle.kill())
    })
  },
  {
    name: "the end of the scope is the end of the command",
    check: Effect.gen(function* () {
      const [handle, pid] = yield* Effect.gen(function* () {
        const handle = yield* sh("sleep 1000 & echo pid $! end; wait", { forceKillAfter: "1 second" })
        const text = yield* until(handle, "end\n")
        return [handle, text().split(" ")[1] ?? ""] as const
      }).pipe(Effect.scoped)
      assert.isFalse(yield* handle.isRunning)
      yield* failsWith(handle.exitCode)
      assert.isFalse(yield* isAlive(pid))
    })
  },
  {
    name: "the end of the scope takes a command that ignores the signal, after forceKillAfter",
    check: Effect.gen(function* () {
      const handle = yield* Effect.gen(function* () {
        const handle = yield* sh("trap '' TERM; echo up; while :; do sleep 0.1; done", { forceKillAfter: "50 millis" })
        yield* until(handle, "up\n")
        return handle
      }).pipe(Effect.scoped)
      assert.isFalse(yield* handle.isRunning)
    })
  },
  gives("a pipe", ChildProcess.make`echo hello`.pipe(ChildProcess.pipeTo(ChildProcess.make`tr a-z A-Z`)), ["HELLO\n"]),
  gives(
    "three stages, with options of each",
    sh("echo b; echo a; echo lost >&2").pipe(
      ChildProcess.pipeTo(ChildProcess.make`sort`),
      ChildProcess.pipeTo(sh('cat; echo "$A"; pwd', { cwd: "/usr", env: { A: "1" }, extendEnv: true }))
    ),
    ["a\nb\n1\n/usr\n"]
  ),
  gives(
    "pipes from stderr",
    ChildProcess.make`echo lost`.pipe(
      ChildProcess.pipeTo(sh("cat >/dev/null; echo err >&2")),
      ChildProcess.pipeTo(ChildProcess.make`cat`, { from: "stderr" })
    ),
    ["err\n"]
  ),
  gives(
    "pipes from both outputs",
    sh("echo same; echo same >&2").pipe(ChildProcess.pipeTo(ChildProcess.make`cat`, { from: "all", to: "stdin" })),
    ["same\nsame\n"]
  ),
  gives(
    "the exit code of a pipe is that of its last command",
    sh("echo a; exit 3").pipe(ChildProcess.pipeTo(sh("cat; exit 4"))),
    ["a\n", "", 4]
  ),
  gives("a pipe that nobody reads to its end", sh("yes").pipe(ChildProcess.pipeTo(sh("head -n 1"))), ["y\n"]),
  {
    name: "the input of a pipe is that of its first command",
    check: Effect.gen(function* () {
      const handle = yield* ChildProcess.make`cat`.pipe(ChildProcess.pipeTo(ChildProcess.make`tr a-z A-Z`))
      yield* Stream.run(Stream.make(bytes("one")), handle.stdin)
      assert.strictEqual(yield* textOf(handle.stdout), "ONE")
    })
  },
  {
    name: "kill ends every command of a pipe",
    check: Effect.gen(function* () {
      const handle = yield* sh("echo $$; exec sleep 1000").pipe(ChildProcess.pipeTo(sh("cat; exec sleep 1000")))
      const text = yield* until(handle, "\n")
      assert.isTrue(yield* isAlive(text().trim()))
      yield* handle.kill()
      assert.isFalse(yield* isAlive(text().trim()))
    })
  },
  {
    name: "a descriptor without configuration is empty",
    check: Effect.gen(function* () {
      const handle = yield* ChildProcess.make("true")
      assert.deepStrictEqual(yield* Stream.runCollect(handle.getOutputFd(3)), [])
      yield* Stream.run(Stream.make(bytes("a")), handle.getInputFd(3))
    })
  }
]
