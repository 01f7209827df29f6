import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { get, remove, request } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { runningCommands } from "../cluster/Leftovers.ts"
import { poll } from "../cluster/Poll.ts"
import { signal, withVariable } from "../cluster/Processes.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller } from "./Callers.ts"
import { checkLeftovers, type ProcessOptions, type ProcessResult, program, programOn, Web } from "./Harness.ts"

checkLeftovers()

const Containers = Schema.Array(
  Schema.Struct({ Id: Schema.String, Labels: Schema.Record(Schema.String, Schema.String) })
)
const Objects = Schema.Array(Schema.Struct({ ID: Schema.String }))
const Exec = Schema.Struct({ Pid: Schema.Int, ExitCode: Schema.NullOr(Schema.Int) })
const ours = (role: string) => ({ filters: JSON.stringify({ label: { [`task-exec.role=${role}`]: true } }) })

/** A command with a child of its own session, both deaf to TERM. It says `up`. */
const stubborn = ["sh", "-c", "trap '' TERM; setsid sleep 5432 & echo up; while :; do sleep 0.1; done"]

/** Marked processes that are alive. */
const alive = Effect.flatMap(SwarmCluster, runningCommands)

const untilGone = poll(
  Effect.map(alive, (items) => (items.length === 0 ? Option.some(undefined) : Option.none())),
  { every: 100, atMost: 120_000, orElse: Effect.flatMap(alive, (items) => Effect.die(items.join("\n"))) }
)

layer(Web.layer("guard"), { excludeTestServices: true, timeout: "180 seconds" })("the caller is killed", (it) => {
  /** The ways to start a caller of a local task: where it sees the engine's processes, and where it does not. */
  const places = {
    "on the engine's machine": (args: ReadonlyArray<string>, options: ProcessOptions) =>
      Effect.flatMap(SwarmCluster, ({ manager }) =>
        programOn(manager, "task-exec.cjs", args, {
          ...options,
          env: { DOCKER_HOST: manager.dockerHost, ...options.env }
        })
      ),
    elsewhere: (args: ReadonlyArray<string>, options: ProcessOptions) =>
      Effect.flatMap(SwarmCluster, ({ manager }) =>
        program("task-exec.cjs", args, { ...options, env: { DOCKER_HOST: manager.dockerHost, ...options.env } })
      )
  }

  for (const [place, call] of Object.entries(places)) {
    it.effect(`${place}: kill -9 of the caller kills the command, whatever it does`, () =>
      Effect.gen(function* () {
        const web = yield* Web
        const result = yield* call(["--grace", "1s", web.target(web.local), ...stubborn], {
          onOutput: (output, kill) => output === "up\n" && kill("SIGKILL")
        })
        assert.deepStrictEqual([result.code, result.signal], [null, "SIGKILL"])
        yield* untilGone
      })
    )

    it.effect(
      `${place}: a guard does not touch a command that ends by itself, or processes that it leaves running`,
      () =>
        Effect.gen(function* () {
          const web = yield* Web
          const args = [web.target(web.local), "sh", "-c", "setsid sleep 6543 >/dev/null 2>&1 & echo $!; exit 5"]
          const result = yield* call(args, {})
          assert.deepStrictEqual([result.code, result.stderr], [5, ""])
          const child = result.stdout.toString().trim()
          const stop = yield* call([web.target(web.local), "kill", child], {})
          assert.deepStrictEqual([stop.code, stop.stderr], [0, ""])
          yield* untilGone
        })
    )
  }

  it.effect("the command continues after kill -9 of its guard", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const killed: Array<number> = []
      const up = yield* Latch.make()
      // The guard inherits its caller's environment; the caller itself is node.
      const killGuard = Effect.gen(function* () {
        for (const { name, pid, value } of yield* withVariable("GUARD_TEST")) {
          if (value !== "guarded" || name !== "sh") continue
          killed.push(pid)
          yield* signal(pid, "SIGKILL")
        }
      })
      const script = "echo up; until [ -e /tmp/guard-go ]; do sleep 0.05; done; rm /tmp/guard-go; echo done; exit 4"
      const [result] = yield* Effect.all(
        [
          places["on the engine's machine"]([web.target(web.local), "sh", "-c", script], {
            env: { GUARD_TEST: "guarded" },
            onOutput: (output) => output === "up\n" && Latch.openUnsafe(up)
          }),
          up.await.pipe(
            Effect.andThen(killGuard),
            Effect.andThen(places.elsewhere([web.target(web.local), "touch", "/tmp/guard-go"], {}))
          )
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(killed.length, 1)
      assert.deepStrictEqual([result.code, result.stdout.toString(), result.stderr], [4, "up\ndone\n", ""])
    })
  )

  for (const [place, call] of Object.entries(places)) {
    it.effect(`${place}: the guard kills a command that the engine starts after the caller was killed`, () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        let kill: (signal: NodeJS.Signals) => void = () => undefined
        let exec = ""
        // The engine gets the request, but only when its caller is gone.
        const proxy = yield* engineProxy(manager.socket, ({ line }) => {
          const [, id] = /^POST \/\S*exec\/([^/]+)\/start/.exec(line) ?? []
          if (id === undefined) return "pass"
          exec = id
          kill("SIGKILL")
          return "keep"
        })
        const result = yield* call(["--grace", "1s", web.target(web.local), ...stubborn], {
          env: { DOCKER_HOST: proxy.dockerHost },
          onStart: (send) => {
            kill = send
          }
        })
        assert.strictEqual(result.signal, "SIGKILL", describe(result))
        // The engine takes its time.
        yield* Effect.sleep("2 seconds")
        proxy.release()
        const begun = Effect.map(get(manager.socket, `/exec/${exec}/json`, Exec), ({ ExitCode, Pid }) =>
          Pid > 0 || ExitCode !== null ? Option.some(undefined) : Option.none()
        )
        yield* poll(begun, { every: 50, atMost: 60_000, orElse: Effect.die("the engine did not start the command") })
        yield* untilGone
      }).pipe(Effect.scoped)
    )
  }

  it.effect("gc --run makes a guard kill its command, even a guard that is just starting", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const send = (id: string, name: string) =>
        request(manager.socket, "POST", `/containers/${id}/kill`, { query: { signal: name } })
      const started = Effect.map(
        get(manager.socket, "/containers/json", Containers, { query: ours("guard") }),
        ([first]) => Option.fromUndefinedOr(first?.Id)
      )
      const stopped = poll(started, { every: 5, atMost: 60_000, orElse: Effect.die("no guard") }).pipe(
        Effect.tap((id) => send(id, "STOP"))
      )
      const proxy = yield* engineProxy(manager.socket)
      const [guard] = yield* Effect.all(
        [
          stopped,
          places.elsewhere(["--grace", "1s", web.target(web.local), ...stubborn], {
            env: { DOCKER_HOST: proxy.dockerHost },
            onOutput: (output, kill) => {
              if (output !== "up\n") return
              // The guard does not learn that its caller is gone.
              proxy.silence()
              kill("SIGKILL")
            }
          })
        ],
        { concurrency: 2 }
      )
      const [run] = yield* get(manager.socket, "/containers/json", Containers, { query: ours("guard") })
      const told = yield* Latch.make()
      const watched = yield* engineProxy(manager.socket, ({ line }) => {
        if (new RegExp(`^POST /containers/${guard}/`).test(line)) Latch.openUnsafe(told)
        return "pass"
      })
      const [gc] = yield* Effect.all(
        [
          program("task-exec.cjs", ["gc", "--run", run?.Labels["task-exec.run"] ?? ""], {
            env: { DOCKER_HOST: watched.dockerHost }
          }),
          Effect.andThen(told.await, send(guard, "CONT"))
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(gc.code, 0, describe(gc))
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(Effect.scoped)
  )

  it.effect("the guard kills the command of a remote caller that cannot do it, before the caller ends", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      let isCut = false
      // What the caller would end the command with does not start.
      const proxy = yield* engineProxy(manager.socket, ({ line }) =>
        isCut && /^POST \/\S*containers\/[^/]+\/start/.test(line) ? "cut" : "pass"
      )
      const result = yield* places.elsewhere(["--grace", "1s", web.target(web.local), ...stubborn], {
        env: { DOCKER_HOST: proxy.dockerHost },
        onOutput: (output) => {
          if (isCut || output !== "up\n") return
          isCut = true
          proxy.cutAll()
        }
      })
      assert.strictEqual(result.code, 125)
      assert.match(result.stderr, /the command may still be running/)
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(Effect.scoped)
  )

  it.effect("a cut connection of the guard kills the command, and its exit code does not count", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const proxy = yield* engineProxy(manager.socket)
      // Ended by TERM it exits with 0, which must not look like a success.
      const script = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"
      const result = yield* program("task-exec.cjs", [web.target(web.local), "sh", "-c", script], {
        env: { DOCKER_HOST: proxy.dockerHost },
        onOutput: (output) => output === "up\n" && proxy.cut(/\/attach/)
      })
      assert.strictEqual(result.code, 125, describe(result))
      assert.match(result.stderr, /(^|\n)task-exec: the outcome of the command is unknown: .*guard.*\n$/)
      yield* untilGone
    }).pipe(Effect.scoped)
  )

  it.effect("without an image for the guard the command runs, with a warning", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const proxy = yield* engineProxy(manager.socket, ({ line }) =>
        line.startsWith("POST /containers/create") ? { status: 500, message: "the proxy says no" } : "pass"
      )
      const result = yield* program("task-exec.cjs", [web.target(web.local), "echo", "out"], {
        env: { DOCKER_HOST: proxy.dockerHost }
      })
      assert.deepStrictEqual([result.code, result.stdout.toString()], [0, "out\n"])
      assert.match(
        result.stderr,
        /^task-exec: cannot start a guard: .*\. Without a guard, the command keeps running if this process is killed\.\n$/
      )
    }).pipe(Effect.scoped)
  )

  it.effect(
    "kill -9 of caller, guard and helper: the helper's successor kills the command and never runs it again",
    () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        const { socket } = web.nodeOf(web.remote)
        const script = `echo start >> /tmp/guard-runs; ${stubborn[2]}`
        const killHelper = Effect.gen(function* () {
          const [helper] = yield* get(socket, "/containers/json", Containers, { query: ours("helper") })
          assert(helper !== undefined)
          yield* request(socket, "POST", `/containers/${helper.Id}/kill`)
        })
        yield* killCaller("task-exec.cjs", ["--grace", "1s", web.target(web.remote), "sh", "-c", script], {
          name: "guard",
          withGuard: true,
          isUnderWay: (output) => output === "up\n",
          before: Effect.orDie(killHelper)
        })
        yield* untilGone
        const runs = yield* program("task-exec.cjs", [web.target(web.remote), "cat", "/tmp/guard-runs"], {
          env: { DOCKER_HOST: manager.dockerHost }
        })
        assert.strictEqual(runs.stdout.toString(), "start\n")
        // What a killed caller leaves is for the sweep, whose time has not come.
        for (const service of yield* get(manager.socket, "/services", Objects, { query: ours("helper") })) {
          yield* remove(manager.socket, `/services/${service.ID}`)
        }
        for (const secret of yield* get(manager.socket, "/secrets", Objects, { query: ours("request") })) {
          yield* remove(manager.socket, `/secrets/${secret.ID}`)
        }
      })
  )
})

const describe = ({ code, signal: name, stderr }: ProcessResult) => `code ${code}, signal ${name}, ${stderr}`
