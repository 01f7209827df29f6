import { randomBytes } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { earlyInputLimit } from "../../src/node/EarlyInput.ts"
import { objectsCreatedSince } from "../cluster/Events.ts"
import { markedProcesses } from "../cluster/Leftovers.ts"
import { execIn } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import {
  Agents,
  checkLeftoversMeanwhile,
  type ProcessOptions,
  program,
  programOn,
  saidOfSignal,
  sha256,
  shell,
  stretched,
  taskExec,
  Web
} from "./Harness.ts"

checkLeftoversMeanwhile()

/** Every case runs on every route. A local caller runs on the engine's own machine, as users do. */
const routes = {
  "local route": { pick: "local", flags: [], services: 0 },
  // Without this, the caller would have to open a tunnel to end the command, because a log has one direction only.
  "helper on another node": { pick: "remote", flags: [], services: 2 },
  "agent on another node": { pick: "remote", flags: ["--via", "agent"], services: 0 }
} as const

/** `task-exec`, which runs on the manager's machine for the manager's tasks. */
const callOn = (pick: "local" | "remote", args: ReadonlyArray<string>, options: ProcessOptions = {}) =>
  Effect.flatMap(SwarmCluster, ({ manager }) => {
    const withHost = { ...options, env: { DOCKER_HOST: manager.dockerHost, ...options.env } }
    return pick === "local"
      ? programOn(manager, "task-exec.cjs", args, withHost)
      : program("task-exec.cjs", args, withHost)
  })

layer(Web.layer("exec"), { excludeTestServices: true, timeout: "180 seconds" })("task-exec exec", (it) => {
  for (const [name, { flags, pick, services }] of Object.entries(routes)) {
    it.layer(flags.length === 0 ? SwarmCluster.layerShared : Agents, { timeout: "180 seconds" })(name, (it) => {
      const exec = (...args: ReadonlyArray<string>) =>
        Effect.flatMap(Web, (web) =>
          callOn(pick, [...flags, ...args.map((arg) => (arg === "WEB" ? web.target(web[pick]) : arg))])
        )
      const sh = (script: string) => exec("WEB", "sh", "-c", script)
      /** Runs a script in the task without task-exec. */
      const directly = (script: string) =>
        Effect.flatMap(Web, (web) => execIn(web.nodeOf(web[pick]).socket, web[pick].containerId, ["sh", "-c", script]))

      it.effect("exits with the command's own code", () =>
        Effect.gen(function* () {
          // Other cases exit with 3, 5, 7, 9, and with 124 to 126 (`--output json`).
          for (const code of pick === "local" ? [0, 2, 127, 255] : [0, 127, 255]) {
            const result = yield* sh(`exit ${code}`)
            assert.deepStrictEqual([result.code, result.stdout.toString(), result.stderr], [code, "", ""])
          }
          assert.strictEqual((yield* sh("kill -9 $$")).code, 137)
          if (pick === "local") assert.strictEqual((yield* sh("kill -15 $$")).code, 143)
        })
      )

      it.effect("exits with 126 for an unknown command, with the engine's reason on stderr only", () =>
        Effect.gen(function* () {
          for (const command of ["foobarnone", "/bin/foobarnone"]) {
            const { code, stderr, stdout } = yield* exec("WEB", command)
            assert.deepStrictEqual([code, stdout.toString()], [126, ""])
            assert.match(
              stderr,
              new RegExp(`^task-exec: cannot run "${command}": command not found in the container\\n$`)
            )
          }
        })
      )

      it.effect("exits with 126 and the reason for a command that cannot be started", () =>
        Effect.gen(function* () {
          const cases = [
            [["WEB", "/etc"], /permission denied/],
            [["-w", "/nowhere", "WEB", "true"], /\/nowhere/],
            [["-u", "nobody-of-that-name", "WEB", "true"], /nobody-of-that-name/]
          ] as const
          for (const [args, reason] of cases) {
            const { code, stderr, stdout } = yield* exec(...args)
            assert.deepStrictEqual([code, stdout.toString()], [126, ""])
            assert.match(stderr, /cannot start "/)
            assert.match(stderr, reason)
          }
        })
      )

      it.effect("--output json tells the command's own 124, 125 and 126 from those of task-exec", () =>
        Effect.gen(function* () {
          const json = (...args: ReadonlyArray<string>) =>
            Effect.map(exec("--output", "json", ...args), ({ code, stderr, stdout }) => {
              const lines = stdout.toString().trimEnd().split("\n")
              return { code, stderr, documents: lines.map((line): unknown => JSON.parse(line)) }
            })
          for (const exitCode of [124, 125, 126]) {
            const { code, documents, stderr } = yield* json("WEB", "sh", "-c", `echo out; exit ${exitCode}`)
            const own = { exitCode, source: "command" }
            assert.deepStrictEqual([code, stderr], [exitCode, ""])
            assert.lengthOf(documents, 5, JSON.stringify(documents))
            assert.deepInclude(documents[0], { event: "chosen" })
            assert.deepInclude(documents[1], { event: "started" })
            assert.deepInclude(documents[2], { event: "stdout", data: "out\n" })
            assert.deepInclude(documents[3], { event: "ended", result: "exited", ...own })
            assert.deepInclude(documents[4], { event: "finished", tasks: 1, ...own })
          }
          const ours = [
            { args: ["--timeout", "1", "--grace", "0", "WEB", "sleep", "60"], exitCode: 124, error: "ExecTimeout" },
            { args: ["WEB", "foobarnone"], exitCode: 126, error: "CommandNotFound" },
            { args: ["no-such-service", "true"], exitCode: 125, error: "TaskNotFound" }
          ]
          for (const { args, error, exitCode } of ours) {
            const { code, documents, stderr } = yield* json(...args)
            const failure = { exitCode, source: "task-exec", error }
            assert.strictEqual(code, exitCode)
            assert.deepInclude(documents.at(-1), { event: "finished", ...failure })
            if (error !== "TaskNotFound") {
              assert.deepInclude(documents.at(-2), { event: "ended", result: "failed", ...failure })
            }
            assert.match(stderr, /^task-exec: /)
          }
        })
      )

      it.effect("keeps 6 MB of random bytes on stdout and 3 MB on stderr at once exact and separate", () =>
        Effect.gen(function* () {
          const web = yield* Web
          const task = web[pick]
          // More than the log of a helper, and a slow reader's memory, take: 1 MiB each.
          const files =
            "head -c 6000000 /dev/urandom > /tmp/out; head -c 3000000 /dev/urandom > /tmp/err; sha256sum /tmp/out /tmp/err"
          const hashes = yield* directly(files)
          const [out, err] = hashes.stdout.split("\n").map((line) => line.slice(0, 64))
          const result = yield* callOn(pick, [
            ...flags,
            web.target(task),
            "sh",
            "-c",
            "cat /tmp/err >&2 & cat /tmp/out; wait"
          ])
          assert.strictEqual(result.code, 0)
          assert.deepStrictEqual([sha256(result.stdout), sha256(result.stderrBytes)], [out, err])
        })
      )

      it.effect("delivers every byte of complete input around the size limit of a request", () =>
        Effect.gen(function* () {
          const web = yield* Web
          for (const length of [0, 1, earlyInputLimit, earlyInputLimit + 1]) {
            const input = randomBytes(length)
            const args = [...flags, "-i", web.target(web[pick]), "sh", "-c", "cat; exit 7"]
            const { code, stderr, stdout } = yield* callOn(pick, args, { input })
            assert.deepStrictEqual([code, stderr, sha256(stdout)], [7, "", sha256(input)], `${length} bytes`)
          }
        })
      )

      it.effect("delivers one line of 10 MB", () =>
        Effect.gen(function* () {
          const { stdout } = yield* sh("head -c 10000000 /dev/zero | tr '\\000' x")
          assert.strictEqual(stdout.length, 10_000_000)
          assert.strictEqual(sha256(stdout), sha256(Buffer.alloc(10_000_000, "x")))
        })
      )

      it.effect("delivers output while the command runs", () =>
        Effect.gen(function* () {
          const { cluster, web } = yield* both
          const target = web.target(web[pick])
          // The command continues only when the test has seen its first line.
          const go = yield* Latch.make()
          const waiting = program(
            "task-exec.cjs",
            [
              ...flags,
              target,
              "sh",
              "-c",
              "rm -f /tmp/go; echo first; until [ -e /tmp/go ]; do sleep 0.05; done; echo second"
            ],
            {
              env: { DOCKER_HOST: cluster.manager.dockerHost },
              onOutput: (output) => output.includes("first\n") && Latch.openUnsafe(go)
            }
          )
          const [result] = yield* Effect.all([waiting, go.await.pipe(Effect.andThen(directly("touch /tmp/go")))], {
            concurrency: 2
          })
          assert.strictEqual(result.stdout.toString(), "first\nsecond\n")
        })
      )

      it.effect("ends although a child process keeps stdout open, with all output until then", () =>
        Effect.gen(function* () {
          const { code, stdout } = yield* sh(
            "(echo child; touch /tmp/said; exec sleep 600) & echo $! > /tmp/child; until rm /tmp/said 2>&-; do sleep 0.05; done; echo parent; exit 5"
          )
          assert.deepStrictEqual([code, stdout.toString()], [5, "child\nparent\n"])
          // The child process outlives a command that ended by itself, as with docker exec. The test ends it.
          assert.strictEqual((yield* directly("kill $(cat /tmp/child)")).exitCode, 0)
        })
      )

      it.effect("waits for the exit code of a command that has closed its output", () =>
        Effect.gen(function* () {
          assert.strictEqual((yield* sh("exec >&- 2>&-; sleep 1; exit 9")).code, 9)
        })
      )

      it.effect(
        "sets variables, user and working directory without a shell, and keeps NUL characters and invalid UTF-8",
        () =>
          Effect.gen(function* () {
            const words = ["", "a b", "$HOME", "*", "'", '"', "\\", "\n"]
            const script = [
              'echo "$A|$B|$C|$(id -u):$(id -g)|$PWD"',
              'for word; do printf "%s|" "$word"; done',
              "printf 'a\\000b\\377\\376\\r\\n\\303('"
            ]
            const variables = ["A=1 2", "B=", "C=ü=x"].flatMap((variable) => ["-e", variable])
            const flags = [...variables, "-u", "1000:1000", "-w", "/tmp"]
            const { code, stderr, stdout } = yield* exec(...flags, "WEB", "sh", "-c", script.join("; "), "sh", ...words)
            assert.deepStrictEqual([code, stderr], [0, ""])
            const text = `1 2||ü=x|1000:1000|/tmp\n${words.map((word) => `${word}|`).join("")}`
            const expected = Buffer.concat([Buffer.from(text), Buffer.from("a\0b\xff\xfe\r\n\xc3(", "latin1")])
            assert.strictEqual(stdout.toString("hex"), expected.toString("hex"))
          })
      )

      it.effect("--detach returns after the start, and the command continues", () =>
        Effect.gen(function* () {
          const { code, stdout } = yield* exec(
            "-d",
            "WEB",
            "sh",
            "-c",
            "rm -f /tmp/stop; echo $$ > /tmp/started.new; mv /tmp/started.new /tmp/started; until [ -e /tmp/stop ]; do sleep 0.05; done"
          )
          assert.deepStrictEqual([code, stdout.toString()], [0, ""])
          const seen = yield* directly(
            "until [ -e /tmp/started ]; do sleep 0.05; done; [ -d /proc/$(cat /tmp/started) ] && echo runs; touch /tmp/stop; rm /tmp/started"
          )
          assert.strictEqual(seen.stdout, "runs\n")
        })
      )

      it.effect(
        "kills the command and all its child processes at the timeout, whatever they do, and exits with 124",
        () =>
          Effect.gen(function* () {
            const script = "trap '' TERM; setsid sleep 4321 & (sleep 4321 &); echo up; while :; do sleep 0.1; done"
            const seconds = stretched(3)
            const result = yield* exec("--timeout", `${seconds}`, "--grace", "500ms", "WEB", "sh", "-c", script)
            assert.deepStrictEqual([result.code, result.stdout.toString()], [124, "up\n"])
            assert.strictEqual(
              result.stderr,
              `task-exec: timed out after ${seconds} s; the command and all its child processes were killed\n`
            )
            assert.strictEqual((yield* directly("ps | grep 'sleep 432[1]'")).stdout, "")
          })
      )

      it.effect("lets a command of any user clean up at the timeout, after the signal of --signal", () =>
        Effect.gen(function* () {
          const cleansUp = Effect.fnUntraced(function* (signal: string, ...flags: ReadonlyArray<string>) {
            const script = `trap 'echo bye; exit 3' ${signal}; echo up; while :; do sleep 0.1; done`
            const result = yield* exec("--timeout", `${stretched(3)}`, ...flags, "WEB", "sh", "-c", script)
            assert.deepStrictEqual([result.code, result.stdout.toString()], [124, "up\nbye\n"], signal)
          })
          yield* Effect.all([cleansUp("TERM", "-u", "1234:1234"), cleansUp("USR1", "--signal", "USR1")], {
            concurrency: 2
          })
        })
      )

      it.effect("… | head -1 ends without a message, and kills the command", () =>
        Effect.gen(function* () {
          const { cluster, web } = yield* both
          const since = Date.now()
          const pipe = yield* shell(
            `task-exec ${flags.join(" ")} ${web.target(web[pick])} yes | head -1; echo "\${PIPESTATUS[0]}"`,
            { env: { DOCKER_HOST: cluster.manager.dockerHost } }
          )
          assert.deepStrictEqual([pipe.stdout.toString(), pipe.stderr], ["y\n141\n", ""])
          // A caller can end its command even if its output is not read.
          assert.lengthOf(yield* objectsCreatedSince(cluster.manager.socket, "service", since), services)
        })
      )

      /** Runs a script that prints `up` and then gets a signal, and another one when it prints `got it`. */
      const interrupted = (script: string, signal: NodeJS.Signals, more: ReadonlyArray<string> = []) =>
        Effect.gen(function* () {
          const web = yield* Web
          let sent = 0
          return yield* callOn(pick, [...flags, ...more, web.target(web[pick]), "sh", "-c", script], {
            onOutput: (output, kill) => {
              const wanted = output.includes("got it\n") ? 2 : output.includes("up\n") ? 1 : 0
              if (wanted > sent) kill(signal)
              sent = wanted
            }
          })
        })

      for (const [signal, code] of [
        ["SIGINT", 130],
        ["SIGTERM", 143],
        ["SIGHUP", 129]
      ] as const) {
        it.effect(`${signal} goes to the command, and nothing is left at the end`, () =>
          Effect.gen(function* () {
            const { cluster } = yield* both
            const result = yield* interrupted("setsid sleep 7654 & echo up; sleep 7654", signal, ["--grace", "1s"])
            // Background jobs of a shell ignore SIGINT and are killed after the grace period. The leak check runs at once, because the caller
            // must end after the command.
            assert.deepStrictEqual(yield* markedProcesses(cluster), [])
            assert.deepStrictEqual([result.code, result.signal, result.stdout.toString()], [code, null, "up\n"])
            assert.match(result.stderr, saidOfSignal)
          })
        )
      }

      it.effect("exits with the code of a command that handles the signal, after its last output", () =>
        Effect.gen(function* () {
          const script = "trap 'sleep 0.5; echo bye; exit 3' INT; echo up; while :; do sleep 0.1; done"
          const { code, stdout } = yield* interrupted(script, "SIGINT")
          assert.deepStrictEqual([code, stdout.toString()], [3, "up\nbye\n"])
        })
      )

      it.effect("kills a command that ignores the signal after the grace period, or at the second signal", () =>
        Effect.gen(function* () {
          const deaf = "trap '' INT; echo up; while :; do sleep 0.1; done"
          assert.strictEqual((yield* interrupted(deaf, "SIGINT", ["--grace", "1s"])).code, 137)
          const stubborn = "trap 'echo got it' INT; echo up; while :; do sleep 0.1; done"
          assert.strictEqual((yield* interrupted(stubborn, "SIGINT", ["--grace", "1h"])).code, 137)
        })
      )

      it.effect("--timings prints the stages with their times on stderr, also for a failed run", () =>
        Effect.gen(function* () {
          const names = (text: string) =>
            [...text.matchAll(/^task-exec: (\S.*?\S) +\d+\.\d\d s +\d+\.\d\d s {2} *█+$/gm)].map(([, name]) => name)
          const whole = yield* exec("--timings", "WEB", "echo", "out")
          assert.deepStrictEqual([whole.code, whole.stdout.toString()], [0, "out\n"])
          const first = ["start task-exec", "find the task"]
          const reach =
            pick === "local" ? ["start the command"] : flags.length === 0 ? ["place the helper"] : ["connect"]
          // These stages may end between two updates of the line.
          const passing = ["prepare the helper", "start the helper", ...(pick === "local" ? [] : ["start the command"])]
          assert.deepStrictEqual(
            names(whole.stderr).filter((stage) => !passing.includes(stage ?? "")),
            [...first, ...reach, "run the command", "clean up"],
            whole.stderr
          )
          const none = yield* exec("--timings", "nothing", "true")
          assert.strictEqual(none.code, 125)
          assert.deepStrictEqual(names(none.stderr), first, none.stderr)
        })
      )
    })
  }

  /** The route `helper` on the manager's own node needs only one test. */
  describe("helper on the manager's own node", () => {
    it.effect("returns exit code, stdout and stderr, and kills at the timeout", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const flags = ["--via", "helper", "--timeout", "60"]
        const good = yield* taskExec([...flags, web.target(web.local), "sh", "-c", "echo out; echo err >&2; exit 3"])
        assert.deepStrictEqual([good.code, good.stdout.toString(), good.stderr], [3, "out\n", "err\n"])
        const late = yield* taskExec([...flags, "--timeout", "1", web.target(web.local), "sleep", "1000"])
        assert.strictEqual(late.code, 124)
      })
    )
  })
})

const both = Effect.gen(function* () {
  return { cluster: yield* SwarmCluster, web: yield* Web }
})
