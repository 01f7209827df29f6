/** A caller with commands on other nodes is killed with `kill -9`: the commands end, and everything that it created is removed. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { callerVariable, guardsOf, type KillOptions, killCaller, untilNothingLeft } from "./Callers.ts"
import { checkLeftovers, program, Web } from "./Harness.ts"

checkLeftovers()

/** Prints `up`. Has a child process in a session of its own. */
const endless = ["sh", "-c", "setsid sleep 5432 & echo up; sleep 5432"]

/** Prints `up` when it has read a line, which proves that its tunnel is open. */
const endlessAfterInput = ["sh", "-c", "read go; setsid sleep 5432 & echo up; sleep 5432"]

/** Completes when nothing is left on the swarm, and the guards of this caller have ended. */
const nothingLeftOf = Effect.fnUntraced(function* (name: string) {
  yield* untilNothingLeft
  yield* pollUntil(
    Effect.map(guardsOf(name), (guards) => guards.length === 0),
    { every: 100, atMost: 120_000, orElse: Effect.die("the guard does not end") }
  )
})

/** Kills a caller with `kill -9`. Completes when nothing of it is left. */
const orphan = (file: string, args: ReadonlyArray<string>, options: KillOptions) =>
  Effect.andThen(killCaller(file, args, options), nothingLeftOf(options.name))

/**
 * A module for the caller. It kills the caller when its guard process, a shell, has started, and before the caller can write to it. The guard
 * does not inherit the module.
 */
const killAtGuard = `
  import child from "node:child_process"
  delete process.env.NODE_OPTIONS
  const { spawn } = child
  child.spawn = (file, ...rest) => {
    const started = spawn(file, ...rest)
    if (file === "/bin/sh") process.kill(process.pid, "SIGKILL")
    return started
  }`

const isUp = (output: string) => /(^|\n)(.*│ )?up\n/.test(output)

layer(Web.layer("orphans"), { excludeTestServices: true, timeout: "180 seconds" })(
  "after kill -9 of the caller, the guard",
  (it) => {
    const ways = (web: Web["Service"]) => ({
      "a helper's log": [web.target(web.remote), ...endless],
      "a tunnel that is being made": ["-i", web.target(web.remote), ...endless],
      "a tunnel": ["-i", web.target(web.remote), ...endlessAfterInput],
      "many tasks": ["--all", web.name, ...endless]
    })
    for (const way of ["a helper's log", "a tunnel that is being made", "a tunnel", "many tasks"] as const) {
      it.effect(`${way}: kills the command, and removes service, secret, network and containers`, () =>
        Effect.gen(function* () {
          const web = yield* Web
          yield* orphan("task-exec.cjs", ["--grace", "1s", ...ways(web)[way]], {
            name: way,
            input: "go\n",
            keepsInput: true,
            isUnderWay: isUp
          })
        })
      )
    }

    it.effect("removes helper, network and relay of a copy", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        const { socket } = web.nodeOf(web.remote)
        yield* execIn(socket, web.remote.containerId, ["dd", "if=/dev/zero", "of=/tmp/large", "bs=1M", "count=64"])
        const proxy = yield* engineProxy(manager.socket)
        yield* orphan("task-exec.cjs", ["cp", `${web.target(web.remote)}:/tmp/large`, "-"], {
          name: "cp",
          isUnderWay: (output) => {
            // Slow enough to take minutes.
            if (output.length > 0) proxy.slowDown(500)
            return output.length > 0
          },
          env: { DOCKER_HOST: proxy.dockerHost }
        })
        yield* execIn(socket, web.remote.containerId, ["rm", "/tmp/large"])
      }).pipe(Effect.scoped)
    )

    it.effect("removes what a caller created that was killed before it wrote a line to its guard", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        const name = "at its start"
        const { code, signal, stderr } = yield* program("task-exec.cjs", [web.target(web.remote), ...endless], {
          env: {
            DOCKER_HOST: manager.dockerHost,
            [callerVariable]: name,
            NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(killAtGuard)}`
          }
        })
        assert.deepStrictEqual([code, signal], [null, "SIGKILL"], stderr)
        yield* nothingLeftOf(name)
      })
    )

    it.effect("does nothing for a run that has ended by itself", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { manager } = yield* SwarmCluster
        const result = yield* program("task-exec.cjs", [web.target(web.remote), "sh", "-c", "sleep 2; exit 3"], {
          env: { DOCKER_HOST: manager.dockerHost, [callerVariable]: "in time" }
        })
        assert.deepStrictEqual([result.code, result.stderr], [3, ""])
        yield* pollUntil(
          Effect.map(guardsOf("in time"), (guards) => guards.length === 0),
          { every: 50, atMost: 120_000, orElse: Effect.die("the guard continues to run") }
        )
      })
    )
  }
)
