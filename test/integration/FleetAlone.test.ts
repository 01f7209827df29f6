/** A fan-out over tasks of which each is the only one of its node: as many single commands. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type FleetRequest, type Stage, StageObserver } from "../../src/index.ts"
import { earlyInputLimit } from "../../src/node/EarlyInput.ts"
import { get, post, remove } from "../cluster/EngineApi.ts"
import { madeSince } from "../cluster/Events.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { expected, resultsOf, runIn } from "./Fleets.ts"
import { checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const Created = Schema.Struct({ ID: Schema.String })
const Secrets = Schema.Array(Created)

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
            [{ via: "helper" }, ["cat", ""]]
          ] as const) {
            const { networks, relays } = yield* makes(more, command)
            assert.deepStrictEqual({ networks, relays }, { networks: 1, relays: 1 })
          }
        })
    )

    it.effect("tell the stages of a single run: what is looked for, and that each command runs", () =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const tell = (change: string) => (stage: Stage) =>
          void told.push(`${change}${stage._tag}${stage._tag === "Find" ? ` ${stage.target}` : ""}`)
        const outputs = yield* Effect.provideService(run("true"), StageObserver, { began: tell("+"), ended: tell("-") })
        assert.deepStrictEqual(resultsOf(outputs), expected(all, "0"))
        assert.deepStrictEqual(told.slice(0, 2), ["+Find service alone", "-Find service alone"])
        for (const change of ["+Start", "-Start", "+Run", "-Run"]) {
          assert.lengthOf(
            told.filter((one) => one === change),
            all.length,
            told.join(" ")
          )
        }
      })
    )

    it.effect("sweep what killed callers left, while they run", () =>
      Effect.gen(function* () {
        const { socket } = (yield* SwarmCluster).manager
        const Labels = {
          "task-exec.run": "past",
          "task-exec.role": "helper",
          "task-exec.deadline": "1700000000",
          "task-exec.creator": "elsewhere:1"
        }
        const Name = "left-for-the-fan-out"
        const body = { Name, Labels, Data: "c2VjcmV0" }
        const { ID } = yield* Effect.acquireRelease(post(socket, "/secrets/create", Created, { body }), ({ ID }) =>
          Effect.orDie(remove(socket, `/secrets/${ID}`))
        )
        const ours = get(socket, "/secrets", Secrets)
        const untilGone = pollUntil(
          Effect.map(ours, (secrets) => secrets.every((secret) => secret.ID !== ID)),
          { every: 100, atMost: 60_000, orElse: Effect.die("the leftover is still there after 60 s") }
        )
        const web = yield* Web
        const end = Effect.forEach(web.tasks, (task) =>
          execIn(web.nodeOf(task).socket, task.containerId, ["touch", "/tmp/swept"])
        )
        const [outputs] = yield* Effect.all(
          [run("until [ -e /tmp/swept ]; do sleep 0.1; done"), Effect.ensuring(untilGone, Effect.ignore(end))],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(resultsOf(outputs), expected(all, "0"))
      }).pipe(Effect.scoped)
    )

    it.effect("have no input where they are detached: nothing is read, and no tunnel is made", () =>
      Effect.gen(function* () {
        const { socket } = (yield* SwarmCluster).manager
        const since = Date.now()
        const stdin = Stream.concat(Stream.make(Buffer.from("in")), Stream.never)
        const outputs = yield* run("true", { detach: true, stdin })
        assert.deepStrictEqual(resultsOf(outputs), expected(all, "Detached"))
        assert.lengthOf(yield* madeSince(socket, "service", since), 2)
        assert.deepStrictEqual(yield* madeSince(socket, "network", since), [])
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
        assert.deepStrictEqual(resultsOf(outputs), expected(all, "ExecTimeout"))
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
