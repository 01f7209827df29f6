/** A fan-out over tasks of which each is the only one of its node: as many single commands. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { FleetRequest } from "../../src/index.ts"
import { earlyInputLimit } from "../../src/route/EarlyInput.ts"
import { madeSince } from "../cluster/Events.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { expected, resultsOf, runIn } from "./Fleets.ts"
import { checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const all = ["alone.1", "alone.2", "alone.3"]

const run = (script: string, more: Partial<FleetRequest> = {}) =>
  runIn({ selection: { services: ["alone"] }, ...more }, script)

/** Runs a command that passes on its input, or only counts it, and gives the numbers of services, networks and relays made. */
const makes = Effect.fnUntraced(function* (more: Partial<FleetRequest>, [script, out]: readonly [string, string]) {
  const { socket } = (yield* SwarmCluster).manager
  const since = Date.now()
  const outputs = yield* run(`${script}; echo out; echo err >&2`, more)
  assert.deepStrictEqual(resultsOf(outputs), expected(all, "0"))
  for (const name of all) {
    const both = outputs.get(name)?.stdout ?? ""
    assert.include(both, "err\n")
    // Which of the two streams comes first is not the fan-out's to say.
    assert.strictEqual(both.replace("err\n", ""), `${out}out\n`)
  }
  const containers = yield* madeSince(socket, "container", since)
  return {
    services: (yield* madeSince(socket, "service", since)).length,
    networks: (yield* madeSince(socket, "network", since)).length,
    relays: containers.filter((name) => name.startsWith("task-exec-relay-")).length
  }
})

layer(Layer.provideMerge(Library, Web.layer("alone")), { excludeTestServices: true, timeout: "120 seconds" })(
  "tasks that are alone on their nodes",
  (it) => {
    it.effect("go by the logs of their helpers", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* makes({}, ["cat", ""]), { services: 2, networks: 0, relays: 0 })
        const stdin = Stream.make(Buffer.from("in"))
        assert.deepStrictEqual(yield* makes({ stdin }, ["cat", "in"]), { services: 2, networks: 0, relays: 0 })
      })
    )

    it.effect(
      "share one network and one relay where a tunnel is asked for, or the input does not fit into a request",
      () =>
        Effect.gen(function* () {
          const stdin = Stream.make(Buffer.from("in"), Buffer.alloc(earlyInputLimit))
          for (const [more, command] of [
            [{ stdin }, ["wc -c", `${earlyInputLimit + 2}\n`]],
            [{ via: "helper:tunnel" }, ["cat", ""]]
          ] as const) {
            const { networks, relays } = yield* makes(more, command)
            assert.deepStrictEqual({ networks, relays }, { networks: 1, relays: 1 })
          }
        })
    )

    it.effect("SIGTERM goes to each", () =>
      Effect.gen(function* () {
        let isTold = false
        const script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done"
        const { code, stderr, stdout } = yield* taskExec(["--all", "--grace", "5", "alone", "sh", "-c", script], {
          onOutput: (output, kill) => {
            if (isTold || output.split("│ up\n").length <= all.length) return
            isTold = true
            kill("SIGTERM")
          }
        })
        assert.strictEqual(code, 143, stderr)
        assert.lengthOf(stdout.toString().match(/│ bye\n/g) ?? [], all.length)
        assert.match(stderr, /task-exec: 3 tasks: 3 exited with 3 \(.*\)\n$/)
      })
    )

    it.effect("a deadline ends those that run, with everything that they started", () =>
      Effect.gen(function* () {
        const outputs = yield* run("sleep 1234 & sleep 1234", {
          grace: "1 second",
          pacing: { deadline: "6 seconds" }
        })
        assert.deepStrictEqual(resultsOf(outputs), expected(all, "TimedOut"))
      })
    )

    it.effect("one after the other, and no more after a failure", () =>
      Effect.gen(function* () {
        const one = { _tag: "Count", count: 1 } as const
        const none = { _tag: "Count", count: 0 } as const
        const outputs = yield* run("exit 5", { pacing: { parallel: one, maxFailures: none } })
        assert.deepStrictEqual(Object.values(resultsOf(outputs)).sort(), ["5", "Skipped", "Skipped"])
      })
    )
  }
)
