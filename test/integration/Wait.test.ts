import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { get, remove } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { poll, pollUntil } from "../cluster/Poll.ts"
import { execIn, service, updateService, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const second = 1_000_000_000

/** Healthy as soon as the file exists. */
const healthCheck = { Test: ["CMD-SHELL", "test -f /tmp/ok"], Interval: second / 5, Timeout: 5 * second, Retries: 1000 }

const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))
const Tasks = Schema.Array(Schema.Struct({ Status: Schema.Struct({ State: Schema.String }) }))

/** Waits until a service has a task in this state. */
const untilState = Effect.fnUntraced(function* (name: string, state: string) {
  const { manager } = yield* SwarmCluster
  const query = { filters: JSON.stringify({ service: { [name]: true } }) }
  const isThere = Effect.map(get(manager.socket, "/tasks", Tasks, { query }), (tasks) =>
    tasks.some(({ Status }) => Status.State === state)
  )
  yield* pollUntil(isThere, { every: 50, atMost: 120_000, orElse: Effect.die(`${name} is never ${state}`) })
})

layer(Web.layer("wait"), { excludeTestServices: true, timeout: "180 seconds" })("--wait", (it) => {
  it.effect("waits until the task is healthy", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const name = "slow"
      yield* service(manager.socket, { name, image, node: manager.name, containerSpec: { Healthcheck: healthCheck } })
      yield* untilState(name, "starting")
      const now = yield* taskExec([name, "true"])
      assert.strictEqual(now.code, 125)
      assert.match(now.stderr, /^task-exec: task slow\.1 on node-\d \(\S+\) is not running: starting, .*\n$/)
      const query = { filters: JSON.stringify({ name: { [`${name}.1.`]: true } }) }
      // The task is starting until its container runs.
      const container = yield* poll(
        Effect.map(get(manager.socket, "/containers/json", Containers, { query }), ([found]) =>
          Option.fromUndefinedOr(found)
        ),
        { every: 50, atMost: 120_000, orElse: Effect.die("its container does not run") }
      )
      const proxy = yield* engineProxy(manager.socket)
      const looksTwice = pollUntil(
        Effect.sync(() => proxy.requests.filter((line) => line.startsWith("GET /tasks")).length >= 2),
        { every: 50, atMost: 120_000, orElse: Effect.die("task-exec does not wait for the task") }
      )
      const [later] = yield* Effect.all(
        [
          taskExec(["--wait", `${name}.1`, "sh", "-c", "test -f /tmp/ok && echo healthy"], {
            env: { DOCKER_HOST: proxy.dockerHost }
          }),
          Effect.andThen(looksTwice, execIn(manager.socket, container.Id, ["touch", "/tmp/ok"]))
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([later.code, later.stdout.toString()], [0, "healthy\n"], later.stderr)
    }).pipe(Effect.scoped)
  )

  for (const order of ["stop-first", "start-first"] as const) {
    it.effect(`runs in the new task right after an update (${order}), never in the old one`, () =>
      Effect.gen(function* () {
        const { image, manager } = yield* SwarmCluster
        const name = "updated"
        const id = yield* service(manager.socket, { name, image, env: ["V=1"] })
        yield* waitRunning(manager.socket, name, 1)
        yield* updateService(manager.socket, id, { order, containerSpec: { Env: ["V=2"] } })
        const { code, stderr, stdout } = yield* taskExec(["--wait", name, "sh", "-c", "echo $V"])
        assert.deepStrictEqual([code, stdout.toString()], [0, "2\n"], stderr)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("runs in the replacement of a task that is replaced meanwhile", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const name = "broken"
      const id = yield* service(manager.socket, { name, image, containerSpec: { Healthcheck: healthCheck } })
      yield* untilState(name, "starting")
      const waiting = yield* Deferred.make<void>()
      const [{ code, stderr, stdout }] = yield* Effect.all(
        [
          taskExec(["--wait", "--debug", `${name}.1`, "sh", "-c", "echo $V"], {
            onStart: () => Deferred.doneUnsafe(waiting, Effect.void)
          }),
          Effect.andThen(
            Deferred.await(waiting),
            updateService(manager.socket, id, { containerSpec: { Env: ["V=2"], Healthcheck: { Test: ["NONE"] } } })
          )
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([code, stdout.toString()], [0, "2\n"], stderr)
    }).pipe(Effect.scoped)
  )

  it.effect("waits until a restarting container stays up, and runs once", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const node = manager.name
      const Mounts = [{ Type: "volume", Source: "task-exec-crash", Target: "/data" }]
      // The image can be removed when its last container is gone.
      const removed = Effect.isSuccess(remove(manager.socket, "/volumes/task-exec-crash"))
      yield* Effect.addFinalizer(() =>
        pollUntil(removed, { every: 100, atMost: 120_000, orElse: Effect.die("its volume is still in use") })
      )
      const keep = { name: "crash-data", image, node, containerSpec: { Mounts } }
      yield* service(manager.socket, keep)
      const [data] = yield* waitRunning(manager.socket, keep.name, 1)
      assert.isDefined(data)
      const inData = (script: string) => execIn(manager.socket, data.containerId, ["sh", "-c", script])
      yield* inData("rm -f /data/*")
      const command = ["sh", "-c", "echo >> /data/starts; test -e /data/ok && exec sleep 1000000; sleep 0.5; exit 3"]
      const name = "crash"
      yield* service(manager.socket, { name, image, node, command, restartDelay: 0, containerSpec: { Mounts } })
      const starts = Effect.map(inData("cat /data/starts | wc -l"), ({ stdout }) => Number(stdout))

      const untilStarts = (wanted: number) =>
        pollUntil(
          Effect.map(starts, (count) => count >= wanted),
          { every: 100, atMost: 120_000, orElse: Effect.die("it does not restart") }
        )
      yield* untilStarts(2)
      const vain = yield* taskExec(["--wait=8s", name, "sleep", "100"])
      assert.strictEqual(vain.code, 125)
      assert.match(vain.stderr, /^task-exec: timed out after 8 s waiting for "crash": .*non-zero exit \(3\)\. .*\n$/)

      const before = yield* starts
      const mend = Effect.andThen(untilStarts(before + 3), inData("touch /data/ok"))
      const [run] = yield* Effect.all(
        [taskExec(["--wait=120s", name, "sh", "-c", "echo >> /data/runs; echo up"]), mend],
        {
          concurrency: 2
        }
      )
      assert.deepStrictEqual([run.code, run.stdout.toString()], [0, "up\n"], run.stderr)
      assert.strictEqual((yield* inData("cat /data/runs | wc -l")).stdout.trim(), "1")
    }).pipe(Effect.scoped)
  )

  it.effect("waits again if the container stops before the command starts, unless the command has input", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const through = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
        let refused = 0
        const proxy = yield* engineProxy(manager.socket, ({ line }) => {
          if (!/^POST \/containers\/\w+\/exec/.test(line) || refused === 2) return "pass"
          refused++
          return { status: 409, message: `Container ${web.local.containerId} is not running` }
        })
        const result = yield* taskExec(args, { env: { DOCKER_HOST: proxy.dockerHost } })
        return { ...result, execs: proxy.requests.filter((line) => /^POST \/containers\/\w+\/exec/.test(line)).length }
      })
      const target = web.target(web.local)
      const waited = yield* through(["--wait", target, "echo", "once"])
      assert.deepStrictEqual([waited.code, waited.stdout.toString(), waited.execs], [0, "once\n", 3], waited.stderr)
      const now = yield* through([target, "echo", "once"])
      assert.deepStrictEqual([now.code, now.stdout.toString(), now.execs], [125, "", 1])
      const withInput = yield* through(["-i", "--wait", target, "cat"])
      assert.deepStrictEqual([withInput.code, withInput.stdout.toString(), withInput.execs], [125, "", 1])
    }).pipe(Effect.scoped)
  )

  it.effect("fails at the timeout with Swarm's reason, and at once for an unknown service", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const name = "vain"
      const id = yield* service(manager.socket, { name, image: `${image}-not-there`, restart: "none" })
      yield* untilState(name, "rejected")
      for (const [target, said] of [
        [
          `${name}.1`,
          /^task-exec: timed out after 2 s waiting for "vain\.1": task vain\.1.* is not running: .*not-there.*\n$/
        ],
        [
          "wait.7",
          /^task-exec: timed out after 2 s waiting for "wait\.7": .*wait has no slot 7 \(it has slots 1, 2, 3\)\. .*\n$/
        ],
        ["nothing.1", /^task-exec: no task matches "nothing\.1": service nothing does not exist\. .*\n$/]
      ] as const) {
        const { code, stderr } = yield* taskExec(["--wait=2s", target, "true"])
        assert.strictEqual(code, 125, stderr)
        assert.match(stderr, said)
      }
      // An update that makes no progress.
      yield* updateService(manager.socket, id, { containerSpec: { Image: image } })
      yield* waitRunning(manager.socket, name, 1)
      yield* updateService(manager.socket, id, { containerSpec: { Image: `${image}-not-there` }, order: "start-first" })
      const { code, stderr } = yield* taskExec(["--wait=2s", name, "true"])
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        /^task-exec: timed out after 2 s waiting for "vain": task vain\.1 on node-\d does not run the current service spec yet \((?:updating|paused): .*\)\. .*\n$/
      )
    }).pipe(Effect.scoped)
  )
})
