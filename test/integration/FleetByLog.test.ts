/** Fan-outs whose helpers report by their logs: no network, no relay. */
import { createHash } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type FleetRequest, type Stage, StageObserver } from "../../src/index.ts"
import { earlyInputLimit } from "../../src/node/EarlyInput.ts"
import { get, post, remove } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { objectsCreatedSince } from "../cluster/Events.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { expected, resultsOf, runIn } from "./Fleets.ts"
import { checkLeftoversMeanwhile, checksDone, lateImage, shell, stretched, taskExec, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const Created = Schema.Struct({ ID: Schema.String })
const Secrets = Schema.Array(Created)
const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))

/** A service with two tasks on each of three nodes. Each task has its slot in a variable. */
class Crowd extends Context.Service<Crowd, { readonly name: string }>()("task-exec/test/Crowd") {
  static readonly layer = Layer.effect(
    Crowd,
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const name = "crowd"
      yield* service(manager.socket, { name, image, replicas: 6, env: ["SLOT={{.Task.Slot}}"] })
      yield* Effect.addFinalizer(() => checksDone)
      yield* waitRunning(manager.socket, name, 6)
      return Crowd.of({ name })
    })
  ).pipe(Layer.provideMerge(SwarmCluster.layerShared))
}

const namesOf = (name: string, count: number) => Array.from({ length: count }, (_, at) => `${name}.${at + 1}`)
const alone = namesOf("alone", 3)
const crowd = namesOf("crowd", 6)
const fleets = [alone, crowd]
const serviceOf = ([first = ""]: ReadonlyArray<string>) => first.split(".")[0] ?? ""

const runInAll = (names: ReadonlyArray<string>, script: string, more: Partial<FleetRequest> = {}) =>
  runIn({ selection: { services: [serviceOf(names)] }, ...more }, script)
const run = (script: string, more: Partial<FleetRequest> = {}) => runInAll(alone, script, more)

/** The numbers of our services, networks and relays that were created since a Unix time in milliseconds. */
const madeOfOurs = Effect.fnUntraced(function* (since: number) {
  const { socket } = (yield* SwarmCluster).manager
  const containers = yield* objectsCreatedSince(socket, "container", since)
  return {
    services: (yield* objectsCreatedSince(socket, "service", since)).length,
    networks: (yield* objectsCreatedSince(socket, "network", since)).length,
    relays: containers.filter((name) => name.startsWith("task-exec-relay-")).length
  }
})

/** Runs a script that writes `out`. Returns the numbers of objects that were created for it. */
const makes = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  more: Partial<FleetRequest>,
  [script, out]: readonly [string, string]
) {
  const since = Date.now()
  const outputs = yield* runInAll(names, `${script}; echo out; echo err >&2`, more)
  assert.deepStrictEqual(resultsOf(outputs), expected(names, "0"))
  for (const name of names) {
    const both = outputs.get(name)?.stdout ?? ""
    assert.include(both, "err\n")
    // The order of the two streams is not defined.
    assert.strictEqual(both.replace("err\n", ""), `${out}out\n`)
  }
  return yield* madeOfOurs(since)
})

/** Runs a script in each task of a service without task-exec. Returns the exit codes. */
const inEach = Effect.fnUntraced(function* (names: ReadonlyArray<string>, script: string) {
  const { manager, nodes } = yield* SwarmCluster
  const tasks = yield* waitRunning(manager.socket, serviceOf(names), names.length)
  return yield* Effect.forEach(
    tasks,
    ({ containerId, nodeId }) => {
      const node = nodes.find((one) => one.nodeId === nodeId) ?? manager
      return Effect.map(execIn(node.socket, containerId, ["sh", "-c", script]), ({ exitCode }) => exitCode)
    },
    { concurrency: 4 }
  )
})

/** One helper per node, except the caller's. */
const byLog = { services: 2, networks: 0, relays: 0 }
const byTunnel = { services: 2, networks: 1, relays: 1 }

const one = { _tag: "Count", count: 1 } as const
const none = { _tag: "Count", count: 0 } as const

/** Sends the next signal each time all tasks of a fan-out have written a line that ends with this word. */
const signalWhen = (count: number, signals: ReadonlyArray<readonly [word: string, signal: NodeJS.Signals]>) => {
  let sent = 0
  return (output: string, kill: (signal: NodeJS.Signals) => void) => {
    const next = signals[sent]
    if (next === undefined || output.split(`│ ${next[0]}\n`).length <= count) return
    sent++
    kill(next[1])
  }
}

layer(Library.pipe(Layer.provideMerge(Layer.mergeAll(Web.layer("alone"), Crowd.layer))), {
  excludeTestServices: true,
  timeout: "180 seconds"
})("a fan-out whose commands begin at once", (it) => {
  it.effect("needs one helper per other node, no network and no relay, also with complete input", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* makes(alone, {}, ["cat", ""]), byLog)
      const stdin = Stream.make(Buffer.from("in"))
      assert.deepStrictEqual(yield* makes(crowd, { stdin }, ["cat", "in"]), byLog)
    })
  )

  it.effect("shares one network and one relay if the input does not fit into a request", () =>
    Effect.gen(function* () {
      for (const names of fleets) {
        const stdin = Stream.make(Buffer.from("in"), Buffer.alloc(earlyInputLimit))
        assert.deepStrictEqual(yield* makes(names, { stdin }, ["wc -c", `${earlyInputLimit + 2}\n`]), byTunnel)
      }
    })
  )

  it.effect("shares one network and one relay if pacing delays commands of a node", () =>
    Effect.gen(function* () {
      const stdin = Stream.make(Buffer.from("in"))
      // With two at once, commands of another node wait, whichever tasks are first.
      for (const pacing of [{ parallel: { _tag: "Count", count: 2 } }, { delay: "100 millis" }] as const) {
        assert.deepStrictEqual(yield* makes(crowd, { pacing, stdin }, ["cat", "in"]), byTunnel)
      }
      // The only command of a node starts with its helper's request, at any time.
      const pacing = { parallel: one, delay: "100 millis" } as const
      assert.deepStrictEqual(yield* makes(alone, { pacing, stdin }, ["cat", "in"]), byLog)
    })
  )

  it.effect("loses nothing if a task per node writes 15 MB, others write a line, and the reader is slow", () =>
    Effect.gen(function* () {
      const script = [
        'if [ "$SLOT" = 1 ] || [ "$SLOT" = 2 ] || [ "$SLOT" = 3 ]; then',
        "head -c 15000000 /dev/urandom > /tmp/big; sha256sum < /tmp/big >&2; cat /tmp/big; rm /tmp/big;",
        "else echo $SLOT; sleep 2; echo end; fi"
      ].join(" ")
      const hashes = new Map<string, ReturnType<typeof createHash>>()
      const texts = new Map<string, string>()
      let events = 0
      const outputs = yield* runIn({ selection: { services: ["crowd"] } }, script, (event) => {
        if (event._tag === "Stdout") {
          const hash = hashes.get(event.task.name) ?? createHash("sha256")
          hashes.set(event.task.name, hash.update(event.data))
        }
        if (event._tag === "Stderr") {
          texts.set(event.task.name, `${texts.get(event.task.name) ?? ""}${Buffer.from(event.data).toString()}`)
        }
        return event._tag === "Stdout" ? Effect.sleep(events++ % 500 === 100 ? "2 seconds" : "2 millis") : Effect.void
      })
      assert.deepStrictEqual(resultsOf(outputs), expected(crowd, "0"))
      for (const name of crowd.slice(0, 3)) {
        assert.strictEqual(texts.get(name), `${hashes.get(name)?.digest("hex")}  -\n`, name)
      }
      for (const name of crowd.slice(3)) {
        assert.strictEqual(outputs.get(name)?.stdout, `${name.slice("crowd.".length)}\nend\n`)
      }
    })
  )

  it.effect("loses nothing if a pipe is read late", () =>
    Effect.gen(function* () {
      const command = `task-exec --all crowd sh -c 'seq 1 100000'`
      const { code, stderr, stdout } = yield* shell(
        `set -o pipefail; ${command} | (sleep 5; sed 's/.*│ //' | sort -n | uniq -c | sort -u -k1,1n)`,
        {
          env: { DOCKER_HOST: (yield* SwarmCluster).manager.dockerHost }
        }
      )
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(stdout.toString().trim().split("\n").length, 1, stdout.toString())
      assert.match(stdout.toString(), /^ *6 1\n$/)
    })
  )

  it.effect("reports the stages: the search, and the run of each command", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const tell = (change: string) => (stage: Stage) =>
        void told.push(`${change}${stage._tag}${stage._tag === "Find" ? ` ${stage.target}` : ""}`)
      const outputs = yield* Effect.provideService(run("true"), StageObserver, { began: tell("+"), ended: tell("-") })
      assert.deepStrictEqual(resultsOf(outputs), expected(alone, "0"))
      assert.deepStrictEqual(told.slice(0, 2), ["+Find service alone", "-Find service alone"])
      const count = (change: string) => told.filter((one) => one === change).length
      assert.deepStrictEqual([count("+Run"), count("-Run")], [alone.length, alone.length], told.join(" "))
      // The helper's report of a command's start may precede Swarm's report that the helper runs. That stage is then skipped.
      assert.isAtMost(count("+Start"), alone.length)
      assert.strictEqual(count("+Start"), count("-Start"), told.join(" "))
    })
  )

  it.effect("removes leftovers of killed callers while it runs", () =>
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
        { every: 100, atMost: 120_000, orElse: Effect.die("the leftover is still there after 60 s") }
      )
      const web = yield* Web
      const end = Effect.forEach(web.tasks, (task) =>
        execIn(web.nodeOf(task).socket, task.containerId, ["touch", "/tmp/swept"])
      )
      const [outputs] = yield* Effect.all(
        [run("until [ -e /tmp/swept ]; do sleep 0.1; done"), Effect.ensuring(untilGone, Effect.ignore(end))],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(resultsOf(outputs), expected(alone, "0"))
    }).pipe(Effect.scoped)
  )

  it.effect("reads no input with --detach, and its commands continue", () =>
    Effect.gen(function* () {
      const { socket } = (yield* SwarmCluster).manager
      const stdin = Stream.concat(Stream.make(Buffer.from("in")), Stream.never)
      for (const names of fleets) {
        const since = Date.now()
        const script = "until [ -e /tmp/go ]; do sleep 0.1; done; rm /tmp/go; touch /tmp/detached"
        const outputs = yield* runInAll(names, script, { detach: true, stdin })
        assert.deepStrictEqual(resultsOf(outputs), expected(names, "Detached"))
        assert.deepStrictEqual(yield* madeOfOurs(since), byLog)
        // A guard would end the commands with the caller, so there is none.
        const containers = yield* objectsCreatedSince(socket, "container", since)
        assert.deepStrictEqual(
          containers.filter((name) => name.startsWith("task-exec-guard-")),
          []
        )
        yield* inEach(names, "touch /tmp/go")
        const haveContinued = Effect.map(inEach(names, "[ -e /tmp/detached ]"), (codes) =>
          codes.every((code) => code === 0)
        )
        const orElse = Effect.die("the commands do not continue")
        yield* pollUntil(haveContinued, { every: 300, atMost: 120_000, orElse })
      }
      const paced = yield* runInAll(crowd, "true", { detach: true, stdin, pacing: { parallel: one } })
      assert.deepStrictEqual(resultsOf(paced), expected(crowd, "Detached"))
    })
  )

  it.effect("forwards SIGTERM: one more helper per node ends all commands there", () =>
    Effect.gen(function* () {
      for (const names of fleets) {
        const since = Date.now()
        const script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done"
        const args = ["--all", "--grace", "30", serviceOf(names), "sh", "-c", script]
        const { code, stderr, stdout } = yield* taskExec(args, {
          onOutput: signalWhen(names.length, [["up", "SIGTERM"]])
        })
        assert.strictEqual(code, 143, stderr)
        assert.lengthOf(stdout.toString().match(/│ bye\n/g) ?? [], names.length)
        assert.match(stderr, new RegExp(`task-exec: ${names.length} tasks: ${names.length} exited with 3 \\(.*\\)\n$`))
        assert.deepStrictEqual(yield* madeOfOurs(since), { ...byLog, services: 4 })
      }
    })
  )

  it.effect("kills at the second Ctrl-C, with one more helper per node", () =>
    Effect.gen(function* () {
      const since = Date.now()
      const script = "trap 'echo bye' INT; echo up; while :; do sleep 0.1; done"
      const { code, stderr } = yield* taskExec(["--all", "--grace", "600", "crowd", "sh", "-c", script], {
        onOutput: signalWhen(crowd.length, [
          ["up", "SIGINT"],
          ["bye", "SIGINT"]
        ])
      })
      assert.strictEqual(code, 130, stderr)
      assert.match(stderr, /task-exec: 6 tasks: 6 exited with 137 \(.*\)\n$/)
      assert.deepStrictEqual(yield* madeOfOurs(since), { ...byLog, services: 6 })
    })
  )

  it.effect("reports correctly which commands have begun if a signal comes before the helpers listen", () =>
    Effect.gen(function* () {
      const { manager, nodes } = yield* SwarmCluster
      const image = yield* lateImage
      const tasks = yield* waitRunning(manager.socket, "crowd", crowd.length)
      const others = nodes.filter(({ nodeId }) => nodeId !== manager.nodeId)
      const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
      const helpers = Effect.forEach(others, ({ socket }) => get(socket, "/containers/json", Containers, { query }))
      const whenMade = pollUntil(
        Effect.map(helpers, (found) => found.every(({ length }) => length === 1)),
        { every: 20, atMost: 120_000, orElse: Effect.die("no helper came") }
      )
      const signals = Stream.fromEffect(Effect.as(Effect.orDie(whenMade), "SIGTERM" as const))
      const outputs = yield* runInAll(crowd, "touch /tmp/begun; sleep 1234", { image, signals })
      for (const { containerId, nodeId, slot } of tasks) {
        const node = nodes.find((one) => one.nodeId === nodeId) ?? manager
        const { exitCode } = yield* execIn(node.socket, containerId, ["rm", "/tmp/begun"])
        // Commands on this node may have started.
        if (node === manager) continue
        // The caller must assume that a running helper has started its commands. A started command is never reported as "not started".
        const possible = exitCode === 0 ? ["OutcomeUnknown", "143", "137"] : ["Skipped", "OutcomeUnknown"]
        assert.include(possible, outputs.get(`crowd.${slot}`)?.result)
      }
    })
  )

  it.effect("does not report a command as not started while its report is under way", () =>
    Effect.gen(function* () {
      const { manager, nodes } = yield* SwarmCluster
      const tasks = yield* waitRunning(manager.socket, "crowd", crowd.length)
      const proxy = yield* engineProxy(manager.socket, ({ line }) =>
        /services\/[^/]+\/logs/.test(line) ? "keep" : "pass"
      )
      const caller: { kill?: (signal: NodeJS.Signals) => void } = {}
      const fanOut = taskExec(["--all", "crowd", "sh", "-c", "touch /tmp/begun; exec sleep 1234"], {
        env: { DOCKER_HOST: proxy.dockerHost },
        onStart: (kill) => {
          caller.kill = kill
        }
      })
      const haveBegun = Effect.forEach(tasks, ({ containerId, nodeId }) => {
        const node = nodes.find((one) => one.nodeId === nodeId) ?? manager
        return Effect.map(
          execIn(node.socket, containerId, ["test", "-e", "/tmp/begun"]),
          ({ exitCode }) => exitCode === 0
        )
      })
      const whenBegun = pollUntil(
        Effect.map(haveBegun, (all) => all.every((one) => one)),
        { every: 100, atMost: 120_000, orElse: Effect.die("the commands do not begin") }
      )
      const interrupt = Effect.sync(() => caller.kill?.("SIGTERM"))
      const [{ code, stderr }] = yield* Effect.all([fanOut, Effect.andThen(whenBegun, interrupt)], { concurrency: 2 })
      assert.strictEqual(code, 143, stderr)
      assert.notMatch(stderr, /not started/)
      const removals = yield* inEach(crowd, "rm /tmp/begun")
      assert.deepStrictEqual(
        removals,
        crowd.map(() => 0)
      )
    }).pipe(Effect.scoped)
  )

  it.effect("kills running commands and their child processes at the deadline", () =>
    Effect.gen(function* () {
      const since = Date.now()
      const outputs = yield* runInAll(crowd, "sleep 1234 & sleep 1234", {
        grace: "1 second",
        pacing: { deadline: `${stretched(10)} seconds` }
      })
      assert.deepStrictEqual(resultsOf(outputs), expected(crowd, "ExecTimeout"))
      assert.deepStrictEqual(yield* madeOfOurs(since), { ...byLog, services: 4 })
    })
  )

  it.effect("kills commands at their timeout, and waits for the others", () =>
    Effect.gen(function* () {
      const since = Date.now()
      const script = "if [ $((SLOT % 2)) = 0 ]; then sleep 1234 & sleep 1234; else sleep 1; fi; echo end"
      const timeout = `${stretched(4)} seconds` as const
      const outputs = yield* runInAll(crowd, script, { grace: "1 second", timeout })
      assert.deepStrictEqual(
        resultsOf(outputs),
        Object.fromEntries(crowd.map((name, at) => [name, at % 2 === 1 ? "ExecTimeout" : "0"]))
      )
      assert.deepStrictEqual(yield* madeOfOurs(since), byLog)
    })
  )

  it.effect("starts no more commands after a failure", () =>
    Effect.gen(function* () {
      const outputs = yield* run("exit 5", { pacing: { parallel: one, maxFailures: none } })
      assert.deepStrictEqual(Object.values(resultsOf(outputs)).sort(), ["5", "Skipped", "Skipped"])
      const two = { _tag: "Count", count: 2 } as const
      const paced = Object.values(
        resultsOf(yield* runInAll(crowd, "exit 5", { pacing: { parallel: two, maxFailures: none } }))
      )
      const failed = paced.filter((result) => result === "5").length
      assert.isTrue(failed >= 1 && failed <= 2, paced.join())
      assert.lengthOf(
        paced.filter((result) => result === "Skipped"),
        crowd.length - failed
      )
    })
  )
})
