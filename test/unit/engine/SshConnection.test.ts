import { existsSync } from "node:fs"
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import type { Endpoint } from "../../../src/engine/Endpoint.ts"
import { EngineUnreachable } from "../../../src/engine/EngineErrors.ts"
import { sshArguments } from "../../../src/engine/internal/SshCommand.ts"

const endpoint: Endpoint = { _tag: "Ssh", host: "manager.example", user: "me", port: 2222 }

/** Replaces ssh by a shell script. `configuration`: its response to -G; by default it knows no -G. Returns its folder. */
const ssh = (script: string, configuration = "exit 255") =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "ssh-"))
      await writeFile(join(folder, "ssh"), `#!/bin/sh\n[ "$1" = -G ] && {\n${configuration}\nexit; }\n${script}\n`)
      await chmod(join(folder, "ssh"), 0o755)
      const path = process.env.PATH ?? ""
      process.env.PATH = `${folder}:${path}`
      return { folder, path }
    }),
    ({ folder, path }) =>
      Effect.promise(async () => {
        process.env.PATH = path
        await rm(folder, { recursive: true })
      })
  ).pipe(Effect.map(({ folder }) => folder))

const answer = String.raw`
read_request() { while IFS= read -r line && [ "$line" != "$(printf '\r')" ]; do :; done; }
json() { printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' "$(printf %s "$1" | wc -c)" "$1"; }
`
const version = '{"Version":"1","ApiVersion":"1.41"}'

const withEngine = <A, E>(use: (engine: DockerEngine["Service"]) => Effect.Effect<A, E>) =>
  Effect.provide(Effect.flatMap(DockerEngine, use), DockerEngine.layerFor(endpoint))

describe("sshArguments", () => {
  it.each([
    [
      { host: "h" },
      "-o ConnectTimeout=15 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -T -- h docker system dial-stdio"
    ],
    [
      { host: "h", user: "u", port: 22 },
      "-o ConnectTimeout=15 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -T -l u -p 22 -- h docker system dial-stdio"
    ],
    [
      { host: "h", path: "/run/user/1/docker.sock" },
      "-o ConnectTimeout=15 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -T -- h docker --host unix:///run/user/1/docker.sock system dial-stdio"
    ],
    [
      { host: "h", path: "/a b'c;" },
      "-o ConnectTimeout=15 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -T -- h docker --host 'unix:///a b'\\''c;' system dial-stdio"
    ]
  ])("%j", (target, line) => {
    assert.strictEqual(sshArguments(target).join(" "), line)
  })
})

/** Whether a process runs. */
const lives = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Waits for the end of a process. */
const gone = (pid: number) =>
  Effect.promise(async () => {
    for (let i = 0; i < 6000 && lives(pid); i++) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.isFalse(lives(pid))
  })

describe("SshConnection", () => {
  it.live("carries several requests through one ssh process", () =>
    Effect.gen(function* () {
      const folder = yield* ssh(
        `${answer} echo "$@" >> "$0.log"; while read_request && [ -n "$line" ]; do json '${version}'; done`
      )
      yield* withEngine((engine) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* engine.version).ApiVersion, "1.41")
          assert.strictEqual((yield* engine.version).ApiVersion, "1.41")
        })
      )
      const log = yield* Effect.promise(() => readFile(join(folder, "ssh.log"), "utf8"))
      assert.strictEqual(log, `${sshArguments(endpoint).join(" ")}\n`)
    })
  )

  it.live("reports the message of ssh", () =>
    Effect.gen(function* () {
      yield* ssh(`echo noise >&2; echo "ssh: connect to host $6 port 2222: Connection refused" >&2; exit 255`)
      const error = yield* Effect.flip(withEngine((engine) => engine.version))
      assert.instanceOf(error, EngineUnreachable)
      assert.strictEqual(error.reason, "Ssh")
      assert.include(error.message, "ssh://me@manager.example:2222")
      assert.include(error.message, "noise; ssh: connect to host")
      assert.include(error.message, "Connection refused")
    })
  )

  it.live("reports a message that ssh prints after the end of its output", () =>
    Effect.gen(function* () {
      yield* ssh("exec >&-; sleep 0.1; echo late >&2; exit 127")
      const error = yield* Effect.flip(withEngine((engine) => engine.version))
      assert.include(error.message, "ssh: late")
    })
  )

  it.live("does not wait for a background process that holds stderr", () =>
    Effect.gen(function* () {
      yield* ssh("echo master stays >&2; sleep 3 >/dev/null & exit 255")
      const error = yield* withEngine((engine) => engine.version).pipe(Effect.flip, Effect.timeout("2 seconds"))
      assert.include(error.message, "ssh: master stays")
    })
  )

  it.live("reports that ssh printed nothing", () =>
    Effect.gen(function* () {
      yield* ssh("exit 3")
      assert.include((yield* Effect.flip(withEngine((engine) => engine.version))).message, "ended with exit code 3")
      yield* ssh("kill -9 $$")
      assert.include((yield* Effect.flip(withEngine((engine) => engine.version))).message, "was killed by SIGKILL")
      yield* ssh("exit 0")
      const error = yield* Effect.flip(withEngine((engine) => engine.version))
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Lost")
    })
  )

  it.live("reports that ssh does not exist", () =>
    Effect.gen(function* () {
      const folder = yield* ssh("")
      const path = process.env.PATH
      process.env.PATH = join(folder, "none")
      const error = yield* withEngine((engine) => engine.version).pipe(
        Effect.flip,
        Effect.ensuring(
          Effect.sync(() => {
            process.env.PATH = path
          })
        )
      )
      assert.include(error.message, "cannot run ssh")
    })
  )

  const upgrade = String.raw`printf 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'`

  it.live("can end its input and keep its output open", () =>
    Effect.gen(function* () {
      // The body of the request has no newline: the rest of the line is the input.
      yield* ssh(`${answer} read_request; ${upgrade}; cat; sleep 0.05; echo " done"`)
      const output = yield* withEngine((engine) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { output, write, endInput } = yield* engine.startExec("x", { tty: true })
            yield* write(Buffer.from("input"))
            yield* endInput
            return Buffer.concat(yield* Stream.runCollect(output)).toString()
          })
        )
      )
      assert.strictEqual(output.replace(/^\{.*\}/, ""), "input done\n")
    })
  )

  it.live("gives a slow reader all of the output if the input is refused", () =>
    Effect.gen(function* () {
      const size = 200_000
      yield* ssh(`${answer} read_request; ${upgrade}; exec <&-; head -c ${size} /dev/zero`)
      yield* withEngine((engine) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { output, write } = yield* engine.startExec("x", { tty: true })
            const writing = yield* Effect.forkChild(write(Buffer.alloc(100_000)).pipe(Effect.forever, Effect.flip))
            yield* Effect.sleep("300 millis")
            const seen = Buffer.concat(yield* Stream.runCollect(output)).length
            assert.strictEqual(seen, size)
            assert.strictEqual((yield* Fiber.join(writing)).reason, "Lost")
          })
        )
      )
    })
  )

  it.live("does not treat a failed ssh as the end of the output", () =>
    Effect.gen(function* () {
      const size = 1_000_000
      yield* ssh(`${answer} read_request; ${upgrade}; head -c ${size} /dev/zero; echo "Broken pipe" >&2; exit 255`)
      yield* withEngine((engine) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { output } = yield* engine.startExec("x", { tty: true })
            yield* Effect.sleep("700 millis")
            let seen = 0
            const error = yield* output.pipe(
              Stream.runForEach((chunk) =>
                Effect.sync(() => {
                  seen += chunk.length
                })
              ),
              Effect.flip
            )
            // The engine had responded, so it may have acted.
            assert.strictEqual(error.reason, "Lost")
            assert.include(error.message, "Broken pipe")
            assert.strictEqual(seen, size)
          })
        )
      )
    })
  )

  it.live("ends ssh when the request is interrupted, and when the layer ends", () =>
    Effect.gen(function* () {
      const folder = yield* ssh(`${answer} echo $$ >> "$0.pid"; while read_request && [ -n "$line" ]; do
        case $first in "") first=no; json '${version}';; *) exec sleep 100;; esac; done`)
      const pids = Effect.promise(async () =>
        (await readFile(join(folder, "ssh.pid"), "utf8")).trim().split("\n").map(Number)
      )
      yield* withEngine((engine) =>
        Effect.gen(function* () {
          yield* engine.version
          const [first = 0] = yield* pids
          const fiber = yield* Effect.forkChild(engine.version)
          yield* Effect.sleep("50 millis")
          assert.isTrue(lives(first))
          yield* Fiber.interrupt(fiber)
          yield* gone(first)
          yield* engine.version
          assert.isTrue(lives((yield* pids)[1] ?? 0))
        })
      )
      yield* gone((yield* pids)[1] ?? 0)
    })
  )
})

describe("SshSharing", () => {
  /** An ssh that can share connections. `master` runs instead of the shared connection, with the path of the socket in `$socket`. */
  const sharing = (master: string, connection = `while read_request && [ -n "$line" ]; do json '${version}'; done`) =>
    ssh(
      `${answer}
for word; do case $word in ControlPath=*) socket=\${word#*=};; esac; done
case "$*" in *ControlMaster=yes*) echo "master $$" >> "$0.log"; ${master};; esac
echo "\${socket:+shared }connection $$" >> "$0.log"
${connection}`,
      "echo hostname manager.example"
    )
  const started = (folder: string) =>
    Effect.promise(async () => {
      const lines = (await readFile(join(folder, "ssh.log"), "utf8")).trim().split("\n")
      return lines.map((line) => ({ what: line.replace(/ \d+$/, ""), pid: Number(/\d+$/.exec(line)?.[0]) }))
    })
  const kinds = (folder: string) => Effect.map(started(folder), (all) => all.map(({ what }) => what))
  /** The shared connection: its socket is an empty file. */
  const opened = ': > "$socket"; exec sleep 1000'

  it.live("opens the shared connection before the first connection, and ends it with the layer", () =>
    Effect.gen(function* () {
      const folder = yield* sharing(opened)
      yield* withEngine((engine) => engine.version)
      const [master, ...connections] = yield* started(folder)
      assert.deepStrictEqual([master?.what, ...connections.map(({ what }) => what)], ["master", "shared connection"])
      assert.isFalse(lives(master?.pid ?? 0))
    })
  )

  it.live("does without if ssh cannot make the socket, and does not try again", () =>
    Effect.gen(function* () {
      const folder = yield* sharing(
        'echo "unix_listener: cannot bind to path $socket: Operation not permitted" >&2; exit 255'
      )
      yield* withEngine((engine) => Effect.all([engine.version, engine.version], { concurrency: 2 }))
      assert.deepStrictEqual(yield* kinds(folder), ["master", "connection", "connection"])
    })
  )

  it.live("does without if the folder for temporary files has too long a path", () =>
    Effect.gen(function* () {
      const folder = yield* sharing(opened)
      const long = join(folder, "x".repeat(80))
      yield* Effect.promise(() => mkdir(long))
      yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          const before = process.env.TMPDIR
          process.env.TMPDIR = long
          return before
        }),
        () => withEngine((engine) => engine.version),
        (before) =>
          Effect.sync(() => {
            if (before === undefined) delete process.env.TMPDIR
            else process.env.TMPDIR = before
          })
      )
      assert.deepStrictEqual(yield* kinds(folder), ["connection"])
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(long)), [])
    })
  )

  it.live("opens the shared connection again after it was lost", () =>
    Effect.gen(function* () {
      const folder = yield* sharing(opened)
      yield* withEngine((engine) =>
        Effect.gen(function* () {
          yield* engine.version
          for (const { pid } of yield* started(folder)) {
            process.kill(pid)
            yield* gone(pid)
          }
          yield* engine.version
        })
      )
      assert.deepStrictEqual(yield* kinds(folder), ["master", "shared connection", "master", "shared connection"])
    })
  )

  it.live("reports why the shared connection was lost", () =>
    Effect.gen(function* () {
      yield* sharing(
        ': > "$socket"; while ! [ -e "$0.lost" ]; do sleep 0.01; done; echo "Timeout, server not responding." >&2; exit 255',
        ': > "$0.lost"; exit 255'
      )
      const error = yield* Effect.flip(withEngine((engine) => engine.version))
      assert.include(error.message, "ssh: Timeout, server not responding.")
    })
  )

  it.live("ends an ssh that still connects when the layer ends", () =>
    Effect.gen(function* () {
      const folder = yield* sharing("exec sleep 1000")
      yield* withEngine((engine) =>
        Effect.gen(function* () {
          yield* Effect.forkChild(engine.version)
          yield* Effect.promise(async () => {
            while (!existsSync(join(folder, "ssh.log"))) await new Promise((resolve) => setTimeout(resolve, 10))
          })
        })
      )
      const [master] = yield* started(folder)
      assert.deepStrictEqual([master?.what, lives(master?.pid ?? 0)], ["master", false])
    })
  )
})
