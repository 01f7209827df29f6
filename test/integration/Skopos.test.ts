import { spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { post, request } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { watchProgram } from "../watch/Programs.ts"
import { checkLeftoversMeanwhile, temporaryFolder, Web } from "./Harness.ts"

const swarmExec = join(import.meta.dirname, "../../dist/swarm-exec.cjs")

/** The result of a process. */
interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: Buffer
}

interface RunOptions {
  /** Its stdin. Default: empty. */
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** Sent once, as soon as stderr has this text. */
  readonly signal?: { readonly name: NodeJS.Signals; readonly at: string }
  readonly onStderr?: (text: string) => void
}

/** Runs `swarm-exec` on the manager's engine. */
const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: RunOptions = {}) {
  const { manager } = yield* SwarmCluster
  const env = { PATH: process.env.PATH ?? "", DOCKER_HOST: manager.dockerHost, TASK_EXEC_IMAGE: yield* helperImage }
  return yield* runProcess(process.execPath, [swarmExec, ...args], { ...options, env: { ...env, ...options.env } })
})

const helperImage = Config.String("TASK_EXEC_IMAGE")

/** The task of these tests: one on another node than the manager. */
const target = Effect.map(Web, ({ name, nodeOf, remote }) => ({
  id: remote.id,
  name: `${name}.${remote.slot}`,
  container: remote.containerId,
  node: nodeOf(remote)
}))

/** Runs the action `inst_exec` against the task. */
const instExec = Effect.fnUntraced(function* (
  input: object,
  { args = [], ...options }: RunOptions & { readonly args?: ReadonlyArray<string> } = {}
) {
  const { id } = yield* target
  return yield* run(["inst_exec", ...args], { input: JSON.stringify({ inst: [{ id }], ...input }), ...options })
})

/** Waits until no process of that name runs in the task's container. */
const awaitEnd = Effect.fnUntraced(function* (command: string) {
  const { container, node } = yield* target
  const ended = Effect.map(execIn(node.socket, container, ["ps"]), ({ stdout }) => !stdout.includes(command))
  yield* pollUntil(ended, { atMost: 120_000, orElse: Effect.die(`${command} still runs`) })
})

const runProcess = (file: string, args: ReadonlyArray<string>, options: RunOptions) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(file, args, { env: { ...options.env }, stdio: ["pipe", "pipe", "pipe"] })
    watchProgram([file, ...args], child)
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    let isSent = false
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => {
      stderr.push(chunk)
      const text = Buffer.concat(stderr).toString()
      options.onStderr?.(text)
      if (options.signal === undefined || isSent || !text.includes(options.signal.at)) return
      isSent = true
      child.kill(options.signal.name)
    })
    // A plugin that fails early does not read all its input.
    child.stdin.on("error", () => undefined)
    child.stdin.end(options.input ?? "")
    child.once("error", (error) => resume(Effect.die(error)))
    child.once("close", (code) =>
      resume(Effect.succeed({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) }))
    )
    return Effect.sync(() => void child.kill("SIGTERM"))
  })

const nothing = Buffer.alloc(0)
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString()

/** Asserts that stdout is empty, the exit code is 2, and stderr has one line, after the introduction if the command was started. */
const assertFailed = (ended: Ended, message: RegExp) => {
  const lines = textOf(ended.stderr).trimEnd().split("\n")
  assert.match(lines.at(-1) ?? "", message)
  assert.deepStrictEqual(ended.stdout, nothing)
  assert.strictEqual(ended.code, 2)
}

const introduction =
  /^EXEC: task [a-z0-9]{25}, node [a-z0-9]{25}, container [0-9a-f]{64}, cmd "[^\n]*" \(arguments stripped\);[^\n]*\n/

/** The command's output: stderr without the introduction. */
const outputOf = (ended: Ended): Buffer => {
  const [line = ""] = introduction.exec(ended.stderr.toString("latin1")) ?? []
  assert.notStrictEqual(line, "", `no introduction in ${textOf(ended.stderr)}`)
  return ended.stderr.subarray(line.length)
}

/** Runs the cases of a test at the same time. */
const forEach = <A, B, E, R>(cases: ReadonlyArray<A>, check: (one: A) => Effect.Effect<B, E, R>) =>
  Effect.forEach(cases, check, { concurrency: "unbounded" })

/** A folder for the files of one test. */
const folder = temporaryFolder("skopos")

/** A container outside of Swarm. Returns its name. */
const plainContainer = Effect.fnUntraced(function* ({ socket }: ClusterNode, name: string) {
  const { image } = yield* SwarmCluster
  yield* Effect.acquireRelease(
    post(socket, "/containers/create", Schema.Unknown, {
      query: { name },
      body: { Image: image, Cmd: ["sleep", "1000000"] }
    }),
    () => Effect.orDie(request(socket, "DELETE", `/containers/${name}`, { query: { force: "true" } }))
  )
  yield* request(socket, "POST", `/containers/${name}/start`)
  return name
})

checkLeftoversMeanwhile()

layer(Web.layer("skopos"), { timeout: 180_000, excludeTestServices: true })("the Skopos plugin", (it) => {
  it.effect("reads a JSON object from stdin, and prints it after exit code 0", () =>
    Effect.gen(function* () {
      const { container, id: task, name, node } = yield* target
      const input =
        `{"selector":"new","z":{"10":[],"2":1.0},"big":12345678901234567890,"inst":[{"id":"${task}","host":"x"}],` +
        '"command":"true","timeout":60,"ü":null}'
      const ended = yield* run(["inst_exec"], { input })
      assert.strictEqual(
        textOf(ended.stderr),
        `EXEC: task ${task}, node ${node.nodeId}, container ${container}, ` +
          `cmd "true" (arguments stripped); ${name} on ${node.name}\n`
      )
      assert.strictEqual(
        textOf(ended.stdout),
        `{
  "selector": "new",
  "z": {
    "10": [],
    "2": 1.0
  },
  "big": 12345678901234567890,
  "inst": [
    {
      "id": "${task}",
      "host": "x"
    }
  ],
  "command": "true",
  "timeout": 60,
  "ü": null
}
`
      )
      assert.strictEqual(ended.code, 0)
    })
  )

  it.effect("reads the JSON object from the command line", () =>
    Effect.gen(function* () {
      const { id: task } = yield* target
      const json = `{"inst":[{"id":"${task}"}],"command":"true"}`
      const ended = yield* run(["inst_exec", json, "-c"])
      assert.strictEqual(textOf(ended.stdout), `${json}\n`)
      assert.strictEqual(ended.code, 0)
    })
  )

  it.effect("accepts options before and after the action", () =>
    Effect.gen(function* () {
      const input = '{"command": "true"}'
      const lines = [
        ["--compact", "--debug", "preflight"],
        ["preflight", "-c", "--debug"],
        ["-c", "preflight", input, "--debug"]
      ]
      for (const ended of yield* forEach(lines, (args) => run(args))) {
        assert.deepStrictEqual(ended, { code: 0, stdout: Buffer.from("{}\n"), stderr: nothing })
      }
      assertFailed(yield* run(["--dry-run", "preflight"]), /^unknown option --dry-run/)
    })
  )

  it.effect("logs every step to stderr with --debug", () =>
    Effect.gen(function* () {
      const ended = yield* instExec({ command: "true" }, { args: ["--debug"] })
      assert.match(textOf(outputOf(ended)), /^started as exec [0-9a-f]{64}$/m)
      assert.strictEqual(ended.code, 0)
    })
  )

  it.effect("writes to files with --stdout and --stderr", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const [out, err, both] = [join(dir, "out"), join(dir, "err"), join(dir, "both")]
      const read = (file: string) => Effect.promise(() => readFile(file, "utf8"))

      const apart = yield* instExec({ command: "echo hello" }, { args: ["--stdout", out, `--stderr=${err}`] })
      assert.deepStrictEqual(apart, { code: 0, stdout: nothing, stderr: nothing })
      assert.match(yield* read(out), /^\{\n {2}"inst": \[\n/)
      assert.match(yield* read(err), /^EXEC: [^\n]*\nhello\n$/)

      const together = yield* instExec({ command: "echo hello" }, { args: ["-c", "--stdout", both, "--stderr", both] })
      assert.deepStrictEqual(together, { code: 0, stdout: nothing, stderr: nothing })
      assert.match(yield* read(both), /^EXEC: [^\n]*\nhello\n\{"inst":.*\}\n$/)

      const failing = yield* run(["--stderr", err, "--stdout", out, "nonsense"])
      assert.deepStrictEqual(failing, { code: 2, stdout: nothing, stderr: nothing })
      assert.strictEqual(yield* read(err), "Plugin swarm-exec does not support action nonsense\n")
      assert.strictEqual(yield* read(out), "")
      assertFailed(
        yield* run(["preflight", "--stdout", dir]),
        /^cannot open .* for --stdout: illegal operation on a directory$/
      )
    })
  )

  it.effect("does nothing for preflight and postflight", () =>
    Effect.gen(function* () {
      const env = { DOCKER_HOST: "unix:///nowhere" }
      for (const action of ["preflight", "postflight"]) {
        const inputs = ["", '{"inst":[]}', "no JSON", Buffer.alloc(1_000_000, 0xff)]
        for (const ended of yield* forEach(inputs, (input) => run([action], { input, env }))) {
          assert.deepStrictEqual(ended, { code: 0, stdout: Buffer.from("{}\n"), stderr: nothing })
        }
      }
    })
  )

  it.effect("rejects other actions", () =>
    Effect.gen(function* () {
      for (const action of ["inst_describe", "toString", "INST_EXEC"]) {
        const ended = yield* run([action], { input: "{}" })
        assert.strictEqual(textOf(ended.stderr), `Plugin swarm-exec does not support action ${action}\n`)
        assertFailed(ended, /./)
      }
    })
  )

  it.effect("prints its usage on stderr", () =>
    Effect.gen(function* () {
      const lines = [
        [],
        ["--help"],
        ["-h"],
        ["inst_exec", "--help"],
        ["task-exec", "--help"],
        ["exec", "--help"],
        ["--help", "inst_exec"]
      ]
      for (const ended of yield* forEach(lines, (args) => run(args))) {
        assert.match(textOf(ended.stderr), /^Usage: swarm-exec /)
        assert.deepStrictEqual(ended.stdout, nothing)
        assert.strictEqual(ended.code, 2)
      }
    })
  )

  it.effect("prints its version", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["--version"])
      assert.deepStrictEqual([code, textOf(stderr)], [0, ""])
      assert.match(textOf(stdout), /^swarm-exec \d+\.\d+\.\d+\n$/)
    })
  )

  it.effect("explains invalid input", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [string | Uint8Array, RegExp]> = [
        ["", /^inst_exec: inst: missing$/],
        ["{", /^Failed to parse input data for plugin swarm-exec: /],
        ["[]", /^Failed to parse input data for plugin swarm-exec: expected a JSON object$/],
        [Buffer.from([0x22, 0xff, 0x22]), /not UTF-8$/],
        [Buffer.alloc(17 * 1024 * 1024, " "), /: larger than 16 MiB$/],
        ['{"inst":[],"command":"true"}', /^this plugin works only with a single instance at a time, got 0$/],
        ['{"inst":[{},{}],"command":"true"}', /^this plugin works only with a single instance at a time, got 2$/],
        ['{"inst":[{"id":"x"}]}', /^inst_exec: command: missing$/]
      ]
      yield* forEach(wrong, ([input, message]) =>
        Effect.map(run(["inst_exec"], { input }), (ended) => {
          assertFailed(ended, message)
          assert.strictEqual(textOf(ended.stderr).trimEnd().split("\n").length, 1)
        })
      )
      assertFailed(
        yield* instExec({ command: "true", timeout: "soon" }),
        /^inst_exec: timeout: expected a finite number$/
      )
    })
  )

  it.effect("does not read a terminal", () =>
    Effect.gen(function* () {
      const command = `${process.execPath} ${swarmExec} inst_exec`
      const ended = yield* runProcess("script", ["-qec", command, "/dev/null"], {
        env: { PATH: process.env.PATH ?? "" }
      })
      assert.match(textOf(ended.stdout), /expected a JSON object on stdin or after the action/)
      assert.strictEqual(ended.code, 2)
    })
  )

  it.effect("reports the exit code of a failed command", () =>
    Effect.gen(function* () {
      const { name, node } = yield* target
      const ended = yield* instExec({ command: "false" })
      assertFailed(ended, /^exitcode:1 \(/)
      assert.strictEqual(textOf(outputOf(ended)), `exitcode:1 (false in task ${name} on node ${node.name})\n`)
      const scripts = [
        ["exit 7", /^exitcode:7 \(/],
        ["exit 127", /^exitcode:127 \(/],
        ["kill -9 $$", /^exitcode:137 \(/]
      ] as const
      yield* forEach(scripts, ([script, message]) =>
        Effect.map(instExec({ command: ["sh", "-c", script] }), (failed) => assertFailed(failed, message))
      )
    })
  )

  it.effect("reports 126 for an unknown command", () =>
    Effect.gen(function* () {
      const ended = yield* instExec({ command: "foobarnone" })
      assertFailed(ended, /^exitcode:126 \(cannot run "foobarnone": command not found/)
      assertFailed(yield* instExec({ command: "/etc/passwd" }), /^exitcode:126 \(/)
    })
  )

  it.effect("kills a command and its child processes at the timeout", () =>
    Effect.gen(function* () {
      const message =
        /^timed out waiting for command to complete \(after 1 s; the command and all its child processes were killed\)$/
      const inputs = [
        { command: "sleep 4321", timeout: 1 },
        { command: "sh -c 'sleep 4321 & setsid sleep 4321'", timeout: "1" }
      ]
      for (const ended of yield* forEach(inputs, (input) => instExec(input))) assertFailed(ended, message)
      yield* awaitEnd("sleep 4321")
    })
  )

  it.effect("uses the helper image of the input", () =>
    Effect.gen(function* () {
      const image = yield* helperImage
      const elsewhere = { env: { TASK_EXEC_IMAGE: "task-exec-none:0" } }
      const ended = yield* instExec({ command: "true", image }, elsewhere)
      assert.strictEqual(ended.code, 0, textOf(ended.stderr))
      assertFailed(yield* instExec({ command: "true" }, elsewhere), /cannot get the image task-exec-none:0: /)
      assertFailed(yield* instExec({ command: "true", image: "task-exec-none:1" }), /image task-exec-none:1: /)
    })
  )

  it.effect("finds a task by a prefix of its ID, and reports an unknown one", () =>
    Effect.gen(function* () {
      const { id: task } = yield* target
      const ended = yield* instExec({ inst: [{ id: task.slice(0, 12) }], command: "true" })
      assert.strictEqual(ended.code, 0, textOf(ended.stderr))
      assertFailed(
        yield* instExec({ inst: [{ id: "zzzzzzzzzzzzzzzzzzzzzzzzz" }], command: "true" }),
        /^no task matches "task\/z+"/
      )
      assertFailed(yield* instExec({ inst: [{ id: "No Such!" }], command: "true" }), /^invalid target "No Such!"/)
    })
  )

  it.effect("reports an engine that cannot be reached or is no manager", () =>
    Effect.gen(function* () {
      const { node } = yield* target
      const at = (DOCKER_HOST: string) => instExec({ command: "true" }, { env: { DOCKER_HOST } })
      assertFailed(yield* at("unix:///nowhere/docker.sock"), /unix:\/\/\/nowhere\/docker\.sock/)
      assertFailed(yield* at("nonsense://"), /^cannot connect to "nonsense:\/\/"/)
      assertFailed(yield* at(node.dockerHost), /this node is a worker, not a manager\. Set DOCKER_HOST to a manager/)
    })
  )

  it.effect("splits a string as a shell does, and accepts lists of words", () =>
    Effect.gen(function* () {
      const show = 'for word; do echo "<$word>"; done'
      const commands: ReadonlyArray<readonly [unknown, string]> = [
        [`sh -c '${show}' x a\\ b "c  d" $HOME '*'`, "<a b>\n<c  d>\n<$HOME>\n<*>\n"],
        [["sh", "-c", show, "x", "a b", ""], "<a b>\n<>\n"],
        [JSON.stringify(["sh", "-c", show, "x", "[", "'"]), "<[>\n<'>\n"]
      ]
      yield* forEach(commands, ([command, words]) =>
        Effect.map(instExec({ command }), (ended) => assert.strictEqual(textOf(outputOf(ended)), words))
      )
      assertFailed(yield* instExec({ command: "echo 'hunter2" }), /^inst_exec: command: unclosed ' at character 6$/)
    })
  )

  it.effect("shows only the first word of the command", () =>
    Effect.gen(function* () {
      const commands = [
        ["sh", "-c", ": hunter2"],
        ["sh", "-c", "exit 3; hunter2"],
        ["none", "hunter2"]
      ]
      yield* forEach(commands, (command) =>
        Effect.map(instExec({ command }, { args: ["--debug"] }), ({ stderr }) => {
          assert.include(textOf(stderr), `cmd "${command[0]}" (arguments stripped)`)
          assert.notInclude(textOf(stderr), "hunter2")
        })
      )
    })
  )

  it.effect("forwards every byte of the command's output to stderr", () =>
    Effect.gen(function* () {
      const said = (command: unknown) => Effect.map(instExec({ command }), outputOf)
      const [bytes, long, mixed, broken, whole] = yield* Effect.all(
        [
          said(["sh", "-c", "printf '\\000\\377\\r\\n\\033[1m\\303'; printf '' >&2"]),
          said("sh -c 'head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2'"),
          said("sh -c 'echo out; echo err >&2'"),
          said("sh -c 'printf abc; exit 3'"),
          said("sh -c 'echo abc; exit 3'")
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(bytes, Buffer.from([0, 255, 13, 10, 27, 91, 49, 109, 195]))
      assert.deepStrictEqual(long, Buffer.alloc(5_000_000))
      assert.sameMembers(textOf(mixed).trimEnd().split("\n"), ["out", "err"])
      // The message starts a new line only if the output does not end with one.
      assert.match(textOf(broken), /^abc\nexitcode:3 \([^\n]*\)\n$/)
      assert.match(textOf(whole), /^abc\nexitcode:3 \([^\n]*\)\n$/)
    })
  )

  it.effect("forwards output while the command runs", () =>
    Effect.gen(function* () {
      const { container, node } = yield* target
      const spoke = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        instExec(
          { command: "sh -c 'echo first; until rm /tmp/heard 2>/dev/null; do sleep 0.05; done; echo second'" },
          { onStderr: (text) => text.includes("\nfirst\n") && Deferred.doneUnsafe(spoke, Effect.void) }
        )
      )
      yield* Deferred.await(spoke)
      yield* execIn(node.socket, container, ["touch", "/tmp/heard"])
      assert.strictEqual(textOf(outputOf(yield* Fiber.join(fiber))), "first\nsecond\n")
    })
  )

  it.effect("kills the command when it is ended", () =>
    Effect.gen(function* () {
      const signals = [
        ["SIGTERM", 143],
        ["SIGINT", 130]
      ] as const
      yield* forEach(signals, ([name, code]) =>
        Effect.map(
          instExec({ command: "sh -c 'echo ready; sleep 4321'" }, { signal: { name, at: "\nready\n" } }),
          (ended) => {
            assert.strictEqual(ended.code, code)
            assert.deepStrictEqual(ended.stdout, nothing)
          }
        )
      )
      yield* awaitEnd("sleep 4321")
    })
  )

  it.effect("forwards output and exit code as swarm-exec task-exec", () =>
    Effect.gen(function* () {
      const { id: task } = yield* target
      const image = yield* helperImage
      const command = ["sh", "-c", "echo out; echo err >&2; exit 7"]
      const ended = yield* run(["task-exec", "--image", image, task, ...command])
      assert.deepStrictEqual(ended, { code: 7, stdout: Buffer.from("out\n"), stderr: Buffer.from("err\n") })
      assert.strictEqual((yield* run(["task-exec", task])).code, 2)
      assert.strictEqual((yield* run(["task-exec", task, "foobarnone"])).code, 126)
      assert.strictEqual((yield* run(["task-exec", "zzzzzzzzzzzz", "true"])).code, 125)
    })
  )

  it.effect("runs a command in any container of the connected engine as swarm-exec exec", () =>
    Effect.gen(function* () {
      const { container, node } = yield* target
      const exec = (...args: ReadonlyArray<string>) => run(["exec", ...args], { env: { DOCKER_HOST: node.dockerHost } })
      const command = ["sh", "-c", "printf 'out\\377'; echo err >&2; exit 7"]
      const names = [container, container.slice(0, 12), yield* plainContainer(node, "skopos-plain")]
      for (const ended of yield* forEach(names, (name) => exec(name, ...command))) {
        assert.deepStrictEqual(ended, {
          code: 7,
          stdout: Buffer.from([0x6f, 0x75, 0x74, 0xff]),
          stderr: Buffer.from("err\n")
        })
      }
      const missing = yield* exec(container)
      assert.strictEqual(missing.code, 2)
      assert.match(
        textOf(missing.stderr),
        /^swarm-exec exec: CONTAINER or COMMAND is missing\nSee 'swarm-exec --help'\.\n$/
      )
      assert.strictEqual((yield* exec("-it", container, "sh")).code, 2)
      const none = yield* exec("no-such-container", "true")
      assert.strictEqual(none.code, 125)
      assert.match(textOf(none.stderr), /No such container: no-such-container/)
      const unknown = yield* exec(container, "foobarnone")
      assert.strictEqual(unknown.code, 126)
      assert.match(textOf(unknown.stderr), /cannot run "foobarnone": command not found/)
    })
  )

  it.effect("kills the command when it is ended as swarm-exec exec", () =>
    Effect.gen(function* () {
      const { container, node } = yield* target
      const ended = yield* run(["exec", container, "sh", "-c", "echo ready >&2; sleep 4321"], {
        env: { DOCKER_HOST: node.dockerHost },
        signal: { name: "SIGTERM", at: "ready\n" }
      })
      assert.strictEqual(ended.code, 143)
      yield* awaitEnd("sleep 4321")
    })
  )
})
