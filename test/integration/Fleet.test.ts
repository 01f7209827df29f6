import { createHash } from "node:crypto"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { FleetEvent, FleetRequest } from "../../src/index.ts"
import { get, request } from "../cluster/EngineApi.ts"
import { objectsCreatedSince } from "../cluster/Events.ts"
import { markedProcesses } from "../cluster/Leftovers.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, isUpdated, type RunningTask, service, updateService, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller } from "./Callers.ts"
import { expected, resultsOf, runIn } from "./Fleets.ts"
import { checkLeftoversMeanwhile, checksDone, dist, program, stretched, taskExec } from "./Harness.ts"
import { openPty } from "./Pty.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const replicas = 12

/** A service with twelve tasks, four per node. Each task has its slot in a variable. */
class Fleet extends Context.Service<Fleet, { readonly name: string; readonly id: string }>()("task-exec/test/Fleet") {
  static readonly layer = Layer.effect(
    Fleet,
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const name = "fleet"
      const env = ["SLOT={{.Task.Slot}}"]
      const id = yield* service(manager.socket, { name, image, replicas, env, restartDelay: 0 })
      yield* Effect.addFinalizer(() => checksDone)
      yield* waitRunning(manager.socket, name, replicas)
      return Fleet.of({ name, id })
    })
  ).pipe(Layer.provideMerge(SwarmCluster.layerShared))
}

const tasksNow = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  return yield* waitRunning(manager.socket, (yield* Fleet).name, replicas)
})

const isOn = (nodeId: string) => (task: RunningTask) => task.nodeId === nodeId
const nameOf = ({ slot }: RunningTask) => `fleet.${slot}`

const runAll = <R = never>(
  script: string,
  more: Partial<FleetRequest> = {},
  each?: (event: FleetEvent) => Effect.Effect<unknown, never, R>
) => Effect.flatMap(Fleet, ({ name }) => runIn({ selection: { services: [name] }, ...more }, script, each))

const all = Array.from({ length: replicas }, (_, at) => `fleet.${at + 1}`)

/** Too long for a request, so the fan-out needs tunnels. */
const muchInput = Buffer.alloc(300_000)
/**
 * Reads the input, because an engine resets the connection to a command that ends with unread input, possibly before its exit code was
 * read.
 */
const takesInput = "cat > /dev/null"

/** The runs that own the services and networks of a killed caller. */
const runsLeft = Effect.gen(function* () {
  const { socket } = (yield* SwarmCluster).manager
  const query = { filters: JSON.stringify({ label: { "task-exec.run": true } }) }
  const services = yield* get(socket, "/services", Labelled, { query })
  const networks = yield* get(socket, "/networks", LabelledNetworks, { query })
  const labels = [...services.map(({ Spec }) => Spec.Labels), ...networks.map((network) => network.Labels)]
  return labels.flatMap((own) => own["task-exec.run"] ?? [])
})

/** The command of fleet.1 waits for its file. */
const untilFileExists = "until rm /tmp/go 2>/dev/null; do sleep 0.1; done"

/** Lets the command of fleet.1 continue. */
const goOn = Effect.gen(function* () {
  const { manager, nodes } = yield* SwarmCluster
  const [first] = yield* tasksNow
  const node = nodes.find(({ nodeId }) => nodeId === first?.nodeId) ?? manager
  yield* execIn(node.socket, first?.containerId ?? "", ["touch", "/tmp/go"])
})

/** Waits until no process of a command is left. */
const untilEnded = Effect.gen(function* () {
  const commands = markedProcesses(yield* SwarmCluster)
  yield* pollUntil(
    Effect.map(commands, (found) => found.length === 0),
    { every: 200, atMost: 120_000, orElse: Effect.flatMap(commands, (found) => Effect.die(found.join("\n"))) }
  )
})

const collectGarbage = Effect.fnUntraced(function* (runs: ReadonlyArray<string>) {
  const { dockerHost } = (yield* SwarmCluster).manager
  const flags = runs.flatMap((run) => ["--run", run])
  const gc = yield* program("task-exec.cjs", ["gc", ...flags], { env: { DOCKER_HOST: dockerHost } })
  assert.strictEqual(gc.code, 0, gc.stderr)
})

const Labels = Schema.Record(Schema.String, Schema.String)
const Labelled = Schema.Array(Schema.Struct({ Spec: Schema.Struct({ Labels }) }))
const LabelledNetworks = Schema.Array(Schema.Struct({ Labels }))

layer(Library.pipe(Layer.provideMerge(Fleet.layer)), { excludeTestServices: true, timeout: "180 seconds" })(
  "many tasks",
  (it) => {
    it.effect("take one helper per other node, none on the connected engine, and no relay", () =>
      Effect.gen(function* () {
        const { socket } = (yield* SwarmCluster).manager
        const since = Date.now()
        const outputs = yield* runAll("echo $SLOT; echo err >&2")
        assert.deepStrictEqual(resultsOf(outputs), expected(all, "0"))
        for (const name of all)
          assert.match(outputs.get(name)?.stdout ?? "", new RegExp(`^(err\n)?${name.slice(6)}\n(err\n)?$`))
        assert.lengthOf(yield* objectsCreatedSince(socket, "service", since), 2)
        assert.deepStrictEqual(yield* objectsCreatedSince(socket, "network", since), [])
        const containers = yield* objectsCreatedSince(socket, "container", since)
        assert.deepStrictEqual(
          containers.filter((name) => name.startsWith("task-exec-relay-")),
          []
        )
      })
    )

    it.effect("are gathered by their output, with a summary of failures and the largest exit code", () =>
      Effect.gen(function* () {
        const script = "if [ $((SLOT % 5)) = 0 ]; then echo bad >&2; exit $((SLOT / 5)); fi; echo good"
        const { code, stderr, stdout } = yield* taskExec(["--all", "-b", "fleet", "sh", "-c", script])
        assert.strictEqual(code, 2, stderr)
        assert.strictEqual(
          stdout.toString(),
          [
            "---- fleet.[1-4,6-9,11-12] (10 tasks): exit code 0\ngood\n",
            "---- fleet.5: exit code 1\n",
            "---- fleet.10: exit code 2\n"
          ].join("")
        )
        assert.match(stderr, /---- fleet\.5: stderr\nbad\n/)
        assert.match(
          stderr,
          /\ntask-exec: 12 tasks: 10 succeeded, 1 exited with 1 \(fleet\.5@node-\d\), 1 exited with 2 \(.*\)\n$/
        )
      })
    )

    it.effect("are shown as lines with the task's name, as JSON, as one file per task, or as a list", () =>
      Effect.gen(function* () {
        const lines = yield* taskExec(["--all", "--limit", "2", "fleet", "sh", "-c", "printf 'a\\nb'"])
        assert.strictEqual(lines.code, 0, lines.stderr)
        assert.deepStrictEqual(
          lines.stdout
            .toString()
            .replaceAll(/@node-\d/g, "")
            .trimEnd()
            .split("\n")
            .sort(),
          ["fleet.1 │ a", "fleet.1 │ b", "fleet.2 │ a", "fleet.2 │ b"]
        )
        const json = yield* taskExec(["--output", "json", "fleet.3,fleet.4", "echo", "hi"])
        const documents = json.stdout
          .toString()
          .trimEnd()
          .split("\n")
          .map((line): unknown => JSON.parse(line))
        assert.lengthOf(documents, 8, json.stdout.toString())
        const dir = yield* Effect.acquireRelease(
          Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-fleet-"))),
          (path) => Effect.promise(() => rm(path, { recursive: true }))
        )
        const files = yield* taskExec([
          "--all",
          "--limit",
          "10%",
          "--output",
          "summary",
          "--out-dir",
          dir,
          "fleet",
          "sh",
          "-c",
          "echo $SLOT"
        ])
        assert.deepStrictEqual([files.code, files.stdout.toString()], [0, ""], files.stderr)
        const names = (yield* Effect.promise(() => readdir(dir))).sort()
        assert.deepStrictEqual(
          names.map((name) => name.replace(/@node-\d/, "")),
          ["fleet.1.err", "fleet.1.out", "fleet.2.err", "fleet.2.out"]
        )
        assert.strictEqual(yield* Effect.promise(() => readFile(join(dir, names[1] ?? ""), "utf8")), "1\n")
        const listed = yield* taskExec(["ls", "fleet", "--json"])
        const Listed = Schema.fromJsonString(
          Schema.Array(
            Schema.Struct({ id: Schema.String, name: Schema.String, node: Schema.String, state: Schema.String })
          )
        )
        const rows = yield* Schema.decodeEffect(Listed)(listed.stdout.toString())
        assert.deepStrictEqual(
          rows.map(({ name, state }) => [name, state]),
          Array.from({ length: replicas }, (_, at) => [`fleet.${at + 1}`, "running"])
        )
        const ids = yield* taskExec(["ls", "-q", "fleet"])
        assert.strictEqual(ids.stdout.toString(), rows.map(({ id }) => `${id}\n`).join(""))
        const here = yield* taskExec(["ls", "--node", rows[0]?.node ?? "", "fleet"])
        assert.match(
          here.stdout.toString(),
          /^TASK +ID +NODE +STATE +HEALTH +AGE +IMAGE\nfleet\.1 +\S+ +node-\d +running +- +\d+[smh] +\S+\n/
        )

        const list = yield* taskExec(["--list", "--all", "fleet"])
        assert.strictEqual(list.stdout.toString().split("\n").length, replicas + 2)
        assert.match(
          list.stdout.toString(),
          /^TASK +NODE +ID +CONTAINER\nfleet\.1@node-\d +node-\d +[a-z0-9]{25} +[0-9a-f]{12}\n/
        )
      }).pipe(Effect.scoped)
    )

    it.effect("are selected by node, label and filter, and an empty selection is an error", () =>
      Effect.gen(function* () {
        const { manager, nodes } = yield* SwarmCluster
        const tasks = yield* tasksNow
        const other = nodes.find(({ nodeId }) => nodeId !== manager.nodeId)
        assert(other !== undefined)
        const helper = { name: "helper", image: (yield* SwarmCluster).image, node: other.name }
        const there = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* service(manager.socket, { ...helper, labels: { "task-exec.run": "another" } })
            yield* waitRunning(manager.socket, helper.name, 1)
            return yield* runAll("true", {
              selection: { node: other.name, filters: [{ _tag: "State", state: "running" }] }
            })
          })
        )
        assert.deepStrictEqual(resultsOf(there), expected(tasks.filter(isOn(other.nodeId)).map(nameOf), "0"))
        const one = yield* runAll("true", { selection: { services: ["fleet"], any: true } })
        assert.strictEqual(one.size, 1)
        for (const [args, said] of [
          [["--all", "none"], /no task selected: service none does not exist \(services: .*fleet/],
          [["--stack", "none"], /stack none does not exist \(stacks: none\)/],
          [["--node", "none"], /node none does not exist \(nodes: node-1, node-2, node-3\)/],
          [["--all", "--filter", "label=a=b", "fleet"], /no running task of service fleet matches the filters/]
        ] as const) {
          const { code, stderr } = yield* taskExec([...args, "true"])
          assert.strictEqual(code, 125, stderr)
          assert.match(stderr, said)
        }
      })
    )

    it.effect("all get the input", () =>
      Effect.gen(function* () {
        const input = Buffer.alloc(300_000, "some input\n")
        const outputs = yield* runAll("sha256sum", { stdin: Stream.make(input) })
        const sum = createHash("sha256").update(input).digest("hex")
        for (const [name, { stdout }] of outputs) assert.strictEqual(stdout, `${sum}  -\n`, name)
        assert.strictEqual(outputs.size, replicas)
      })
    )

    it.effect("keep 2 MB of random bytes each, with two fan-outs at once", () =>
      Effect.gen(function* () {
        const script = "head -c 2000000 /dev/urandom > /tmp/random; cat /tmp/random; sha256sum < /tmp/random >&2"
        const [outputs, others] = yield* Effect.all([runAll(script), runAll("echo $SLOT")], { concurrency: 2 })
        for (const [name, { hash, result, stdout }] of outputs) {
          assert.strictEqual(result, "0")
          assert.include(stdout, `${hash.digest("hex")}  -\n`, name)
        }
        assert.strictEqual(outputs.size, replicas)
        for (const name of all) assert.strictEqual(others.get(name)?.stdout, `${name.slice(6)}\n`)
      })
    )

    it.effect("run one at a time, with a delay between starts", () =>
      Effect.gen(function* () {
        const outputs = yield* runAll("cut -d' ' -f1 /proc/uptime; sleep 0.3; cut -d' ' -f1 /proc/uptime", {
          selection: { services: ["fleet"], limit: { _tag: "Count", count: 4 } },
          pacing: { parallel: { _tag: "Count", count: 1 }, delay: "1500 millis" }
        })
        const times = [...outputs.values()].map(({ stdout }) => stdout.trim().split("\n").map(Number))
        assert.lengthOf(times, 4)
        const starts = times.map(([start = 0]) => start)
        for (const [at, start] of starts.slice(1).entries()) assert.isAbove(start, times[at]?.[1] ?? 0)
        // A shell may be slow to report its start. Pacing.test.ts checks each delay.
        assert.isAbove((starts.at(-1) ?? 0) - (starts[0] ?? 0), 3)
      })
    )

    it.effect("are not started after the first failure; the deadline also kills running commands", () =>
      Effect.gen(function* () {
        const failing = yield* runAll("exit 5", {
          pacing: { parallel: { _tag: "Count", count: 3 }, maxFailures: { _tag: "Count", count: 0 } }
        })
        const results = Object.values(resultsOf(failing))
        assert.isAtMost(results.filter((result) => result === "5").length, 6)
        assert.strictEqual(
          results.filter((result) => result === "Skipped").length,
          replicas - results.filter((result) => result === "5").length
        )
        const late = yield* runAll("sleep 1234", {
          selection: { services: ["fleet"], limit: { _tag: "Count", count: 6 } },
          // All four must have started by then, through a tunnel.
          pacing: { parallel: { _tag: "Count", count: 4 }, deadline: `${stretched(8)} seconds` }
        })
        const ends = Object.values(resultsOf(late)).sort()
        assert.deepStrictEqual(ends, ["ExecTimeout", "ExecTimeout", "ExecTimeout", "ExecTimeout", "Skipped", "Skipped"])
      })
    )

    it.effect("have colors and a status line on a terminal, until Ctrl-C", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const script = "trap 'echo bye; exit 3' INT; echo up; while :; do sleep 0.1; done"
        const argv = [
          process.execPath,
          join(dist, "task-exec.cjs"),
          "--all",
          "--limit",
          "3",
          "fleet",
          "sh",
          "-c",
          script
        ]
        const pty = yield* openPty(argv, {
          env: { DOCKER_HOST: manager.dockerHost, TERM: "xterm", NO_COLOR: undefined }
        })
        yield* pty.see(/(up\r\n[\s\S]*?){3}/)
        yield* pty.see(/3 running {2}fleet\.\d@node-\d fleet/)
        pty.type("\x03")
        const { code, shown } = yield* pty.end
        const text = Buffer.from(shown, "latin1").toString()
        assert.strictEqual(code, 130, text)
        assert.match(text, /\x1b\[0;36mfleet\.1@node-\d \x1b\[0;36m│\x1b\[0m up\r\n/)
        assert.match(text, /\x1b\[0;33mfleet\.2@node-\d \x1b\[0;33m│\x1b\[0m bye\r\n/)
        // The message starts a line, whether or not the status line was there.
        assert.match(text, /(\x1b\[K|\r\n)task-exec: 3 tasks: 3 exited with 3 \(fleet\.\[1-3\].*\)\r\n$/)
      }).pipe(Effect.scoped)
    )

    it.effect("are ended by SIGTERM, which starts no more", () =>
      Effect.gen(function* () {
        let up = 0
        const { code, stderr } = yield* taskExec(
          [
            "--all",
            "--parallel",
            "5",
            "--grace",
            "60",
            "fleet",
            "sh",
            "-c",
            "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done"
          ],
          {
            onOutput: (output, kill) => {
              const now = output.split("│ up\n").length - 1
              if (up < 5 && now >= 5) kill("SIGTERM")
              up = now
            }
          }
        )
        assert.strictEqual(code, 143, stderr)
        assert.match(stderr, /task-exec: 12 tasks: 5 exited with 3 \(.*\), 7 not started: interrupted/)
      })
    )

    it.effect("of a node are ended by SIGTERM with a few containers", () =>
      Effect.gen(function* () {
        const { image, manager, nodes } = yield* SwarmCluster
        const [, withFew] = nodes
        // Seven tasks of both services on the connected engine, and as many on another node.
        const name = "pack"
        const constraints = [`node.hostname!=${withFew?.name}`]
        yield* service(manager.socket, { name, image, replicas: 6, constraints, networks: ["host"] })
        yield* waitRunning(manager.socket, name, 6)
        const since = Date.now()
        let isTold = false
        const script = "sleep 1234 & echo up; sleep 1234"
        const args = ["--all", "--grace", "60", `fleet,${name}`, "sh", "-c", script]
        const { code, stderr } = yield* taskExec(args, {
          onOutput: (output, kill) => {
            if (isTold || output.split("│ up\n").length <= replicas + 6) return
            isTold = true
            kill("SIGTERM")
          }
        })
        assert.strictEqual(code, 143, stderr)
        assert.match(stderr, /task-exec: 18 tasks: 18 exited with 143 \(fleet\.\[1-12\],.*pack\.\[1-6\]\)\n$/)
        const killersOn = ({ socket }: ClusterNode) =>
          Effect.map(objectsCreatedSince(socket, "container", since), (names) =>
            names.filter((one) => one.includes("-killer-"))
          )
        for (const node of nodes) {
          const { length } = yield* killersOn(node)
          assert.isTrue(length >= 1 && (node === withFew || length < 6), `${length} on ${node.name}`)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("end by their tunnels after kill -9 of caller and guard, and gc removes the rest", () =>
      Effect.gen(function* () {
        // The commands read through the tunnel, so it is open.
        yield* killCaller("task-exec.cjs", ["-i", "--all", "fleet", "sh", "-c", "wc -c; echo up; sleep 1234"], {
          name: "fleet",
          input: muchInput,
          withGuard: true,
          isUnderWay: (output) => output.split("up\n").length > replicas
        })
        yield* untilEnded
        const runs = yield* runsLeft
        assert.lengthOf(runs, 3)
        yield* collectGarbage(runs)
      })
    )

    it.effect("without a tunnel are killed by gc after kill -9 of caller and guard", () =>
      Effect.gen(function* () {
        yield* killCaller("task-exec.cjs", ["--all", "fleet", "sh", "-c", "echo up; sleep 1234"], {
          name: "fleet",
          withGuard: true,
          isUnderWay: (output) => output.split("up\n").length > replicas
        })
        const runs = yield* runsLeft
        assert.lengthOf(runs, 2)
        yield* collectGarbage(runs)
        yield* untilEnded
      })
    )

    it.effect("on other nodes are killed after kill -9 of the relay, and those of the connected engine continue", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const own = (yield* tasksNow).filter(isOn(manager.nodeId))
        const here = own.map(nameOf)
        const query = { filters: JSON.stringify({ label: { "task-exec.role=relay": true } }) }
        const killRelay = get(manager.socket, "/containers/json", Schema.Array(Schema.Struct({ Id: Schema.String })), {
          query
        }).pipe(
          Effect.flatMap((relays) => {
            assert.lengthOf(relays, 1)
            return request(manager.socket, "POST", `/containers/${relays[0]?.Id}/kill`)
          })
        )
        // The commands on other nodes run until they are ended.
        const letGo = Effect.forEach(own, ({ containerId }) =>
          execIn(manager.socket, containerId, ["touch", "/tmp/go"])
        )
        // Commands start before their tunnel is open. They have their input only when it is.
        let taken = 0
        const outputs = yield* runAll(
          `${takesInput}; echo; until [ -e /tmp/go ]; do sleep 0.2; done; rm /tmp/go`,
          { stdin: Stream.make(muchInput) },
          (event) =>
            event._tag === "Stdout" && ++taken === replicas
              ? Effect.orDie(Effect.andThen(killRelay, letGo))
              : Effect.void
        )
        assert.deepStrictEqual(resultsOf(outputs), {
          ...expected(
            all.filter((name) => !here.includes(name)),
            "ConnectionLost"
          ),
          ...expected(here, "0")
        })
      })
    )

    it.effect("do not fail if the container of another one dies", () =>
      Effect.gen(function* () {
        const { nodes } = yield* SwarmCluster
        const victim = (yield* tasksNow)[7]
        const node = nodes.find(({ nodeId }) => nodeId === victim?.nodeId)
        assert(victim !== undefined && node !== undefined)
        const kill = request(node.socket, "POST", `/containers/${victim.containerId}/kill`, {
          query: { signal: "KILL" }
        })
        const script = `[ "$SLOT" = ${victim.slot} ] && exec sleep 1234; sleep 3`
        const outputs = yield* runAll(script, {}, (event) =>
          event._tag === "Started" && event.task.name === nameOf(victim) ? Effect.orDie(kill) : Effect.void
        )
        const names = all.filter((name) => name !== nameOf(victim))
        assert.deepStrictEqual(resultsOf(outputs), { ...expected(names, "0"), [nameOf(victim)]: "ContainerStopped" })
        yield* tasksNow
      })
    )

    it.effect("are reported or followed if they are replaced before their turn", () =>
      Effect.gen(function* () {
        const { nodes } = yield* SwarmCluster
        for (const followUpdates of [false, true]) {
          const victim = (yield* tasksNow).at(-1)
          const place = nodes.find(({ nodeId }) => nodeId === victim?.nodeId)
          assert(victim !== undefined && place !== undefined)
          /** Replaces the task whose turn comes later. */
          const replace = Effect.gen(function* () {
            const query = { signal: "KILL" }
            yield* request(place.socket, "POST", `/containers/${victim.containerId}/kill`, { query })
            yield* pollUntil(
              Effect.map(tasksNow, (tasks) => tasks.every(({ id }) => id !== victim.id)),
              { every: 100, atMost: 120_000, orElse: Effect.die("the task is not replaced") }
            )
            yield* goOn
          })
          const outputs = yield* runAll(
            `[ "$SLOT" != 1 ] || ${untilFileExists}; echo $HOSTNAME`,
            {
              selection: { targets: ["fleet.1", nameOf(victim)] },
              pacing: { parallel: { _tag: "Count", count: 1 } },
              followUpdates
            },
            (event) => (event._tag === "Started" && event.task.name === "fleet.1" ? Effect.orDie(replace) : Effect.void)
          )
          assert.deepStrictEqual(resultsOf(outputs), {
            "fleet.1": "0",
            [nameOf(victim)]: followUpdates ? "0" : "TaskNotRunning"
          })
          if (followUpdates) {
            assert.notStrictEqual(outputs.get(nameOf(victim))?.stdout, `${victim.containerId.slice(0, 12)}\n`)
          }
        }
        yield* tasksNow
      })
    )

    it.effect("are replaced by an update while their commands wait, which then run in the replacements", () =>
      Effect.gen(function* () {
        const { image, manager } = yield* SwarmCluster
        const name = "rolling"
        const id = yield* service(manager.socket, { name, image, replicas: 6, env: [`SERVICE=${name}`] })
        const before = new Set(
          (yield* waitRunning(manager.socket, name, 6)).map(({ containerId }) => containerId.slice(0, 12))
        )
        /** Starts an update during which the other tasks have their turns. */
        const beginUpdate = Effect.gen(function* () {
          yield* updateService(manager.socket, id, { parallelism: 3 })
          const replaced = Effect.map(waitRunning(manager.socket, name, 6), (tasks) =>
            tasks.filter(({ containerId }) => !before.has(containerId.slice(0, 12)))
          )
          yield* pollUntil(
            Effect.map(replaced, ({ length }) => length >= 3),
            { every: 50, atMost: 120_000, orElse: Effect.die("the update does not begin") }
          )
          yield* goOn
        })
        const outputs = yield* runAll(
          `[ "$SERVICE" = ${name} ] || ${untilFileExists}; echo $HOSTNAME`,
          {
            selection: { targets: ["fleet.1", ...Array.from({ length: 6 }, (_, at) => `${name}.${at + 1}`)] },
            pacing: { parallel: { _tag: "Count", count: 1 } },
            followUpdates: true
          },
          (event) =>
            event._tag === "Started" && event.task.name === "fleet.1" ? Effect.orDie(beginUpdate) : Effect.void
        )
        yield* pollUntil(isUpdated(manager.socket, id), {
          every: 200,
          atMost: 120_000,
          orElse: Effect.die("the update does not end")
        })
        const after = (yield* waitRunning(manager.socket, name, 6)).map(({ containerId }) => containerId.slice(0, 12))
        assert.isFalse(after.some((hostname) => before.has(hostname)))
        assert.strictEqual(outputs.get("fleet.1")?.result, "0")
        const results = [...outputs]
          .filter(([task]) => task !== "fleet.1")
          .map(([task, { result, stdout }]) => ({ task, result, hostname: stdout.trim() }))
        assert.lengthOf(results, 6)
        // Tasks that the update replaces later may run in their old containers, and the update may end one of them.
        const cut = results.filter(({ result }) => result !== "0")
        assert.deepStrictEqual(
          [...new Set(cut.map(({ result }) => result))].filter((tag) => tag !== "ContainerStopped"),
          []
        )
        assert.isAtMost(cut.length, 2)
        assert.isAtLeast(results.filter(({ hostname }) => after.includes(hostname)).length, 3)
      }).pipe(Effect.scoped)
    )

    it.effect("on a disconnected node have an unknown outcome, and the others complete", () =>
      Effect.gen(function* () {
        const { link, manager, nodes } = yield* SwarmCluster
        const tasks = yield* tasksNow
        const node = nodes.find(({ nodeId }) => nodeId !== manager.nodeId)
        assert(node !== undefined)
        const lost = tasks.filter(isOn(node.nodeId))
        const slots = lost.map(({ slot }) => slot).join(" ")
        const up = new Set<string>()
        const cut = (event: FleetEvent) => {
          if (event._tag === "Stdout" && event.task.node.id === node.nodeId) {
            up.add(event.task.id)
            return up.size === lost.length ? Effect.orDie(link(node, "down")) : Effect.void
          }
          // Swarm keeps a network while an unreachable node may have a container on it.
          const isLost = event._tag === "Ended" && event.task.node.id === node.nodeId
          return isLost ? Effect.orDie(link(node, "up")) : Effect.void
        }
        const outputs = yield* Effect.ensuring(
          // The commands of the disconnected node must not end by themselves before that.
          runAll(
            `echo up; case " ${slots} " in *" $SLOT "*) exec sleep 1234;; esac; sleep 6`,
            { grace: "2 seconds" },
            cut
          ),
          Effect.orDie(link(node, "up"))
        )
        const names = new Set(lost.map(nameOf))
        assert.deepStrictEqual(resultsOf(outputs), {
          ...expected(
            all.filter((name) => !names.has(name)),
            "0"
          ),
          ...expected(names, "OutcomeUnknown")
        })
      })
    )
  }
)
