import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { PolicyDenied, TaskExec } from "../../src/index.ts"
import { get, post, remove, request } from "../cluster/EngineApi.ts"
import { deriveImage, pushImage } from "../cluster/Images.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, type ProcessOptions, program, taskExec, temporaryFolder, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const failed = 125
/** A command that is denied in all these tests. It would leave a file. */
const forbidden = ["touch", "/tmp/ran"]

/** `swarm-exec` with these arguments, on the swarm's first manager. */
const swarmExec = Effect.fn("swarmExec")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  return yield* program("swarm-exec.cjs", args, {
    ...options,
    env: { DOCKER_HOST: manager.dockerHost, ...options.env }
  })
})

const folder = temporaryFolder("policy")

const WithExecs = Schema.Struct({ ExecIDs: Schema.NullOr(Schema.Array(Schema.String)) })

/** Asserts that the denied command has not run in any container of the service, and that no exec can still run it. */
const nothingWasRun = Effect.gen(function* () {
  const web = yield* Web
  yield* Effect.forEach(web.tasks, (task) =>
    Effect.gen(function* () {
      const { socket } = web.nodeOf(task)
      // An engine forgets an exec shortly after its end. One that was not started remains.
      yield* pollUntil(
        Effect.map(get(socket, `/containers/${task.containerId}/json`, WithExecs), ({ ExecIDs }) => !ExecIDs?.length),
        { atMost: 120_000, orElse: Effect.die("an exec could still run it") }
      )
      const { stdout } = yield* execIn(socket, task.containerId, ["ls", "/tmp"])
      assert.notInclude(stdout, "ran")
    })
  )
})

const Node = Schema.Struct({
  Version: Schema.Struct({ Index: Schema.Int }),
  Spec: Schema.Record(Schema.String, Schema.Unknown)
})

/** Sets labels on a node until the scope closes. */
const labelled = Effect.fnUntraced(function* (nodeId: string, labels: Readonly<Record<string, string>>) {
  const { manager } = yield* SwarmCluster
  const set = Effect.fnUntraced(function* (Labels: unknown) {
    const { Spec, Version } = yield* get(manager.socket, `/nodes/${nodeId}`, Node)
    const query = { version: String(Version.Index) }
    yield* request(manager.socket, "POST", `/nodes/${nodeId}/update`, { query, body: { ...Spec, Labels } })
    return Spec.Labels
  })
  yield* Effect.acquireRelease(set(labels), (before) => Effect.orDie(set(before)))
})

const reason = (program: string, label: string) =>
  new RegExp(
    `^task-exec: cannot run "${program}" in policy\\.\\d on node node-\\d: the label task-exec\\.allow of ${label}\\. ` +
      "To change it.* policy\\n$"
  )

const listed = { labels: { "task-exec.allow": "echo, sh -c id" } }
const byService = reason("touch", 'service policy is "echo, sh -c id"')

layer(Library.pipe(Layer.provideMerge(Web.layer("policy", listed))), {
  excludeTestServices: true,
  timeout: "180 seconds"
})("a service that lists commands", (it) => {
  for (const place of ["local", "remote"] as const) {
    const exec = (flags: ReadonlyArray<string>, ...command: ReadonlyArray<string>) =>
      Effect.flatMap(Web, (web) => taskExec([...flags, web.target(web[place]), ...command]))

    it.effect(`${place}: allows these commands, and no others, on every route`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* exec([], "echo", "hi")).stdout.toString(), "hi\n")
        assert.match((yield* exec([], "sh", "-c", "id")).stdout.toString(), /^uid=/)
        for (const flags of [[], ["-i"], ["-i", "--via", "helper"], ["-d"]]) {
          const { code, stderr, stdout } = yield* exec(flags, ...forbidden)
          assert.deepStrictEqual([code, stdout.toString()], [failed, ""])
          assert.match(stderr, byService)
        }
        // Without a command, this requests a shell.
        const { code, stderr } = yield* exec(["-t"])
        assert.strictEqual(code, failed)
        assert.match(stderr, /cannot run "sh" in/)
        yield* nothingWasRun
      })
    )
  }

  it.effect("is reported by a fan-out for each denied task, and fails a session", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { code, stdout } = yield* taskExec(["--all", "--output", "json", web.name, ...forbidden])
      const events = stdout
        .toString()
        .split("\n")
        .filter((line) => line.includes('"event":"ended"'))
      assert.strictEqual(code, failed)
      assert.lengthOf(events, web.tasks.length)
      for (const line of events) assert.match(line, /"result":"failed",.*"source":"task-exec","error":"PolicyDenied"/)

      const session = yield* TaskExec.open({ target: web.target(web.remote), command: ["touch", "/tmp/ran"] })
      const error = yield* Effect.flip(session.outcome)
      assert(error instanceof PolicyDenied)
      const { container, node, policy, program: denied, service: name, stands, task } = error
      assert.deepStrictEqual(
        { container, node, policy, denied, name, stands, task },
        {
          container: web.remote.containerId,
          node: web.nodeOf(web.remote).name,
          policy: "echo, sh -c id",
          denied: "touch",
          name: "policy",
          stands: "ServiceLabel",
          task: web.target(web.remote)
        }
      )
      yield* nothingWasRun
    })
  )

  it.effect("denies copies in both directions", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const here = yield* folder
      yield* Effect.promise(() => writeFile(join(here, "ran"), "content"))
      for (const task of [web.local, web.remote]) {
        const at = web.target(task)
        for (const paths of [
          [`${at}:/etc/passwd`, join(here, "out")],
          [join(here, "ran"), `${at}:/tmp/ran`]
        ]) {
          const { code, stderr } = yield* taskExec(["cp", ...paths])
          assert.strictEqual(code, failed)
          assert.match(stderr, /^task-exec cp: cannot copy files in policy\.\d on node node-\d: .*\. .*\n$/)
        }
      }
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(here)), ["ran"])
      yield* nothingWasRun
    })
  )

  it.effect("denies the plugin's action, and swarm-exec exec on a manager", () =>
    Effect.gen(function* () {
      const { local, remote } = yield* Web
      const input = JSON.stringify({ inst: [{ id: remote.id }], command: forbidden })
      const plugin = yield* swarmExec(["inst_exec"], { input })
      assert.deepStrictEqual([plugin.code, plugin.stdout.toString()], [2, ""])
      assert.match(plugin.stderr, /cannot run "touch" in policy\.\d on node node-\d: .*\. To change it/)

      const direct = yield* swarmExec(["exec", local.containerId, ...forbidden])
      assert.strictEqual(direct.code, failed)
      assert.match(direct.stderr, /cannot run "touch" in policy\.\d on node node-\d: .*\. To change it/)
      assert.strictEqual((yield* swarmExec(["exec", local.containerId, "echo", "hi"])).stdout.toString(), "hi\n")
      yield* nothingWasRun
    })
  )
})

layer(Web.layer("policy"), { excludeTestServices: true, timeout: "180 seconds" })("a service without a label", (it) => {
  it.effect("is denied by TASK_EXEC_DENY_DEFAULT and by a node's label", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const byDefault = { env: { TASK_EXEC_DENY_DEFAULT: "true" } }
      for (const task of [web.local, web.remote]) {
        const exec = (options: ProcessOptions) => taskExec([web.target(task), ...forbidden], options)
        const caller = yield* exec(byDefault)
        assert.strictEqual(caller.code, failed)
        assert.match(
          caller.stderr,
          /: the label task-exec\.allow is missing, and TASK_EXEC_DENY_DEFAULT requires one\./
        )
        const wrong = yield* exec({ env: { TASK_EXEC_DENY_DEFAULT: "perhaps" } })
        assert.deepStrictEqual(
          [wrong.code, wrong.stderr],
          [2, "task-exec: invalid request: TASK_EXEC_DENY_DEFAULT must be true or false\nSee 'task-exec --help'.\n"]
        )
      }
      const copied = yield* taskExec(["cp", `${web.target(web.local)}:/etc/passwd`, "-"], byDefault)
      assert.deepStrictEqual([copied.code, copied.stdout.toString()], [failed, ""])

      yield* labelled(web.local.nodeId, { "task-exec.deny-default": "true" })
      const { code, stderr } = yield* taskExec([web.target(web.local), ...forbidden])
      assert.strictEqual(code, failed)
      assert.match(stderr, /, and the label task-exec\.deny-default of node node-\d requires one\./)
      yield* nothingWasRun
    }).pipe(Effect.scoped)
  )

  it.effect("the container's label counts if no service label is known", () =>
    Effect.gen(function* () {
      const { image, manager, nodes } = yield* SwarmCluster
      const labels = { "task-exec.allow": "echo, cp" }
      const [worker = manager] = nodes.filter(({ role }) => role === "worker")
      const name = "policy-container"
      // The service allows more than its containers do. The stricter label applies.
      yield* service(manager.socket, {
        name,
        image,
        node: worker.name,
        labels: { "task-exec.allow": "true" },
        containerSpec: { Labels: labels }
      })
      const [task] = yield* waitRunning(manager.socket, name, 1)
      const denied = yield* taskExec([name, ...forbidden])
      assert.strictEqual(denied.code, failed)
      assert.match(denied.stderr, /: the label task-exec\.allow of the container is "echo, cp"\. .*tasks: /)
      assert.strictEqual((yield* taskExec([name, "echo", "hi"], { env: { TASK_EXEC_DENY_DEFAULT: "true" } })).code, 0)
      assert.strictEqual((yield* taskExec(["cp", `${name}:/etc/passwd`, "-"])).code, 0)
      // The engine of a worker does not know services.
      const there = { env: { DOCKER_HOST: worker.dockerHost } }
      const direct = yield* swarmExec(["exec", task?.containerId ?? "", ...forbidden], there)
      assert.strictEqual(direct.code, failed)
      assert.match(direct.stderr, /cannot run "touch" in container [0-9a-f]{12}: the label .* of the container is/)
      assert.strictEqual((yield* swarmExec(["exec", task?.containerId ?? "", "echo", "hi"], there)).code, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("a label of the image counts as the container's label", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const repo = "policy-image"
      yield* Effect.acquireRelease(
        request(manager.socket, "POST", "/commit", {
          query: { container: web.local.containerId, repo, tag: "1", changes: "LABEL task-exec.allow=false" }
        }),
        () => Effect.orDie(remove(manager.socket, `/images/${repo}:1`))
      )
      const Created = Schema.Struct({ Id: Schema.String })
      const { Id } = yield* Effect.acquireRelease(
        post(manager.socket, "/containers/create", Created, {
          body: { Image: `${repo}:1` }
        }),
        (container) => Effect.orDie(remove(manager.socket, `/containers/${container.Id}?force=true`))
      )
      yield* request(manager.socket, "POST", `/containers/${Id}/start`)
      const { code, stderr } = yield* swarmExec(["exec", Id, ...forbidden])
      assert.strictEqual(code, failed)
      assert.match(
        stderr,
        /: the label task-exec\.allow of the container is "false"\. To allow it, create the container with/
      )
      const { stdout } = yield* execIn(manager.socket, Id, ["ls", "/tmp"])
      assert.notInclude(stdout, "ran")
    }).pipe(Effect.scoped)
  )

  it.effect("a label of the image does not allow what needs a label", () =>
    Effect.gen(function* () {
      const { image, manager, nodes, registry } = yield* SwarmCluster
      const generous = `${registry}/policy-generous:1`
      yield* deriveImage(manager.socket, image, generous, ["LABEL task-exec.allow=true"])
      yield* pushImage(manager.socket, generous)
      const [worker = manager] = nodes.filter(({ role }) => role === "worker")
      const asked = { env: { TASK_EXEC_DENY_DEFAULT: "true" } }
      const places = [
        ["policy-generous-here", manager],
        ["policy-generous-there", worker]
      ] as const
      for (const [name, node] of places) {
        yield* service(manager.socket, { name, image: generous, node: node.name })
        const [task] = yield* waitRunning(manager.socket, name, 1)
        const id = task?.containerId ?? ""
        const there = { env: { ...asked.env, DOCKER_HOST: node.dockerHost } }
        const ways = [
          yield* taskExec([name, ...forbidden], asked),
          yield* taskExec(["-i", name, ...forbidden], asked),
          yield* swarmExec(["exec", id, ...forbidden], there)
        ]
        for (const { code, stderr } of ways) {
          assert.strictEqual(code, failed, stderr)
          assert.match(
            stderr,
            /: the label task-exec\.allow comes from the image \("true"\), which can't allow anything, and TASK_EXEC_DENY_DEFAULT requires one\./
          )
        }
        assert.strictEqual((yield* taskExec(["cp", `${name}:/etc/passwd`, "-"], asked)).code, failed)
        const { stdout } = yield* execIn(node.socket, id, ["ls", "/tmp"])
        assert.notInclude(stdout, "ran")
        // If no label is required, the image's label can only restrict, and here it does not.
        assert.strictEqual((yield* taskExec([name, "echo", "hi"])).code, 0)
      }
      // The service's own label for its containers has the same text, and allows the command.
      const own = { name: "policy-own", image: generous, containerSpec: { Labels: { "task-exec.allow": "true" } } }
      yield* service(manager.socket, { ...own, node: worker.name })
      yield* waitRunning(manager.socket, "policy-own", 1)
      assert.strictEqual((yield* taskExec(["policy-own", "echo", "hi"], asked)).code, 0)
    }).pipe(Effect.scoped)
  )
})
