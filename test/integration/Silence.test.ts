/** The way to the manager goes away while a command runs: it falls silent, as when a VPN drops, or is refused. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { get } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, type ProcessResult, program, taskExec, Web } from "./Harness.ts"

checkLeftovers()

/** A command that says `up` and goes on. */
const endless = ["sh", "-c", "echo up; sleep 3456"]

/** It says `up` when it has got a line, by which its tunnel is there. */
const endlessOnceTold = ["sh", "-c", "read go; echo up; sleep 3456"]

/** The clean-up command that a message names, if any. */
const remedy = /task-exec gc((?: --run [a-z0-9]{26})+)/

/** Whether a service, secret or network of a run is there. */
const isLeft = Effect.fnUntraced(function* (run: string) {
  const { manager } = yield* SwarmCluster
  const query = { filters: JSON.stringify({ label: { [`task-exec.run=${run}`]: true } }) }
  const found = yield* Effect.forEach(["services", "secrets", "networks"], (kind) =>
    get(manager.socket, `/${kind}`, Schema.Array(Schema.Unknown), { query })
  )
  return found.flat().length > 0
})

/** The runs that a message's clean-up command names. */
const namedRuns = ({ stderr }: ProcessResult): ReadonlyArray<string> =>
  (remedy.exec(stderr)?.[1] ?? "").split(" ").filter((word) => word !== "" && word !== "--run")

/**
 * Runs the clean-up commands of all messages as one, straight to the manager, until nothing is left. Once is enough, unless the engine
 * carries out a caller's last request after that, or takes its time to let go of a network.
 */
const cleanUp = Effect.fnUntraced(function* (results: ReadonlyArray<ProcessResult>) {
  const runs = results.flatMap(namedRuns)
  if (runs.length === 0) return
  let last = ""
  const swept = Effect.gen(function* () {
    const gc = yield* taskExec(["gc", ...runs.flatMap((run) => ["--run", run])])
    last = `${gc.code}: ${gc.stdout.toString()}${gc.stderr}`
    const left = yield* Effect.forEach(runs, isLeft)
    return gc.code === 0 && !left.includes(true)
  })
  yield* pollUntil(swept, { every: 500, atMost: 120_000, orElse: Effect.suspend(() => Effect.die(last)) })
})

/** What happens to the way to the manager, and in the meantime. */
interface Meanwhile {
  readonly fault?: "silence" | "refuse"
  /** Called when the way is gone. */
  readonly onFault?: (kill: (signal: NodeJS.Signals) => void) => void
  readonly onError?: (text: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs a program whose way to the manager goes away as soon as the command has said `up`. */
const cutOff = Effect.fnUntraced(function* (file: string, args: ReadonlyArray<string>, meanwhile: Meanwhile = {}) {
  const { manager } = yield* SwarmCluster
  const proxy = yield* engineProxy(manager.socket, undefined, "tcp")
  let isGone = false
  const see = (output: string, kill: (signal: NodeJS.Signals) => void) => {
    if (isGone || !/(^|\n)(.*│ )?up\n/.test(output)) return
    isGone = true
    proxy[meanwhile.fault ?? "silence"]()
    meanwhile.onFault?.(kill)
  }
  const result = yield* program(file, args, {
    env: { DOCKER_HOST: proxy.dockerHost },
    input: "go\n",
    keepsInput: true,
    onOutput: see,
    onError: (text, kill) => {
      meanwhile.onError?.(text, kill)
    }
  })
  assert.isTrue(isGone, describe(result))
  assert.notInclude(result.stderr, "Operation timed out")
  return result
}, Effect.scoped)

/** The ways, as command lines. */
const ways = (web: Web["Service"]): Readonly<Record<string, ReadonlyArray<string>>> => ({
  local: [web.target(web.local), ...endless],
  log: [web.target(web.remote), ...endless],
  "a tunnel that is being made": ["-i", web.target(web.remote), ...endless],
  tunnel: ["-i", web.target(web.remote), ...endlessOnceTold],
  "many tasks": ["--all", web.name, ...endless]
})

const describe = ({ code, signal, stderr }: ProcessResult) => `code ${code}, signal ${signal}, ${stderr}`

const lines = ({ stderr }: ProcessResult) => stderr.trimEnd().split("\n")

/** What is checked on each way. Each returns the result, whose leftovers are still there. */
const checks = {
  noticed: (web: Web["Service"], way: string) =>
    Effect.gen(function* () {
      const result = yield* cutOff("task-exec.cjs", ["--grace", "1s", ...(ways(web)[way] ?? [])])
      assert.strictEqual(result.code, 125, describe(result))
      assert.match(result.stderr, /no response for 15 s/)
      assert.isAtMost(lines(result).length, way === "many tasks" ? 6 : 3, result.stderr)
      return result
    }),
  thrice: (web: Web["Service"], way: string) =>
    Effect.gen(function* () {
      let sent = 0
      const result = yield* cutOff("task-exec.cjs", ways(web)[way] ?? [], {
        onFault: (kill) => {
          sent = 1
          kill("SIGINT")
        },
        // What is waited for is said before the second signal, and what the second does before the third.
        onError: (text, kill) => {
          if (sent === 1 && /\n$/.test(text)) {
            sent = 2
            kill("SIGINT")
          } else if (sent === 2 && text.split("\n").length > 2) {
            sent = 3
            kill("SIGINT")
          }
        }
      })
      assert.deepStrictEqual([result.code, sent], [130, 3], describe(result))
      assert.match(lines(result)[0] ?? "", /^task-exec: SIGINT.*waiting for /)
      assert.match(lines(result)[1] ?? "", /^task-exec: SIGINT.*waiting for /)
      assert.match(lines(result)[2] ?? "", /^task-exec: SIGINT.*may still be running/)
      assert.strictEqual(lines(result).length, 3, result.stderr)
      return result
    }),
  refused: (web: Web["Service"], way: string) =>
    Effect.gen(function* () {
      const args = ["--grace", "1s", ...(ways(web)[way] ?? [])]
      const result = yield* cutOff("task-exec.cjs", args, { fault: "refuse" })
      assert.strictEqual(result.code, 125, describe(result))
      const removals = lines(result).filter((line) => line.includes("cannot remove"))
      assert.isAtMost(removals.length, 1, result.stderr)
      assert.isAtMost(lines(result).length, way === "many tasks" ? 6 : 3, result.stderr)
      return result
    }),
  once: (web: Web["Service"], way: string) =>
    Effect.gen(function* () {
      const result = yield* cutOff("task-exec.cjs", ["--grace", "1s", ...(ways(web)[way] ?? [])], {
        onFault: (kill) => kill("SIGTERM")
      })
      assert.strictEqual(result.code, 143, describe(result))
      return result
    })
}

/** Some checks on all ways at the same time: each of them waits most of it. A clean-up takes as much CPU time as several runs. */
const onAllWays = (...names: ReadonlyArray<keyof typeof checks>) =>
  Effect.gen(function* () {
    const web = yield* Web
    const runs = Object.keys(ways(web)).flatMap((way) => names.map((name) => checks[name](web, way)))
    yield* cleanUp(yield* Effect.all(runs, { concurrency: "unbounded" }))
  })

layer(Web.layer("silence"), { excludeTestServices: true, timeout: "180 seconds" })(
  "the manager stops responding, on every route",
  (it) => {
    it.effect("one error, which names the leftovers", () => onAllWays("noticed"))
    it.effect("the third Ctrl-C ends the process", () => onAllWays("thrice"))
    // At the same time, as the first takes more than a minute, and waits for most of it.
    it.effect("connection refused: one cause, one line with the leftovers; SIGTERM ends it in bounded time", () =>
      onAllWays("refused", "once")
    )
  }
)
