import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { leavesNothing, Web } from "./Harness.ts"

/** An example as a command, with the swarm's first manager. */
const example = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.map(SwarmCluster, ({ manager }) =>
    ChildProcess.make(process.execPath, [join(import.meta.dirname, "../../example", name), ...args], {
      env: { DOCKER_HOST: manager.dockerHost },
      extendEnv: true,
      forceKillAfter: "60 seconds"
    })
  )

/** The output of an example that ends by itself. */
const outputOf = Effect.fnUntraced(function* (name: string, ...args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner
  const command = yield* example(name, ...args)
  return yield* spawner.string(command, { includeStderr: true })
})

/** Starts an example that runs until it is ended, and waits for an output. Returns the match. */
const started = Effect.fnUntraced(function* (command: ChildProcess.Command, wanted: RegExp) {
  const handle = yield* command
  let text = ""
  const found = yield* Deferred.make<RegExpExecArray>()
  yield* Stream.runForEach(Stream.decodeText(handle.all), (piece) => {
    text += piece
    const match = wanted.exec(text)
    return match === null ? Effect.void : Deferred.succeed(found, match)
  }).pipe(Effect.andThen(Effect.suspend(() => Deferred.die(found, `no ${wanted} in ${text}`))), Effect.forkScoped)
  return { handle, match: yield* Deferred.await(found) }
})

const fetchText = (url: string) => Effect.promise(async () => (await fetch(url)).text())

const swarm = leavesNothing.pipe(
  Layer.provideMerge(Web.layer("example", { labels: { "task-exec.allow": "echo, hostname, sh, uptime" } })),
  Layer.provideMerge(NodeServices.layer)
)

layer(swarm, { concurrent: true, excludeTestServices: true, timeout: "180 seconds" })("the examples", (it) => {
  it.effect("managed-runtime answers HTTP requests with the output of commands", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { match } = yield* started(yield* example("managed-runtime.ts", "0"), /port: (\d+)/)
      const url = `http://localhost:${match[1]}`
      assert.match(yield* fetchText(`${url}/${web.target(web.remote)}`), /load average/)
      assert.strictEqual(yield* fetchText(`${url}/no-such-service.1`), "there is no task no-such-service.1\n")
    })
  )

  it.effect("cron runs its job in one replica, again and again", () =>
    Effect.gen(function* () {
      const command = yield* example("cron.ts", "example", "* * * * * *", "echo", "job")
      yield* started(command, /(?:job\nexample\.\d: Exited\n.*){2}/s)
    })
  )

  it.effect("http-stream sends lines as they are written", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { match } = yield* started(yield* example("http-stream.ts", "0"), /http:\/\/\S*?:(\d+)/)
      const url = `http://localhost:${match[1]}/tasks/${web.target(web.remote)}/log`
      assert.strictEqual(yield* fetchText(url), "line 1\nline 2\nline 3\n")
      // A client that disconnects ends the command: the check at the end would find its process.
      yield* Effect.promise(async () => {
        const response = await fetch(url)
        const reader = response.body?.getReader()
        assert.include(Buffer.from((await reader?.read())?.value ?? []).toString(), "line 1")
        await reader?.cancel()
      })
    })
  )

  it.effect("many-swarms asks each manager of its own", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const none = "unix:///no/such.sock"
      const lines = (yield* outputOf("many-swarms.ts", web.target(web.local), manager.dockerHost, none)).split("\n")
      assert.include(lines, `${manager.dockerHost}: ${web.local.containerId.slice(0, 12)} on ${manager.name}`)
      assert.isTrue(
        lines.some((line) => line.startsWith(`${none}: cannot connect`)),
        lines.join("\n")
      )
    })
  )

  it.effect("durable-migration runs the migration of a version once", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const result = "3 tables changed by version 7\n"
      const output = yield* outputOf("durable-migration.ts", web.target(web.remote), "7")
      assert.strictEqual(output, `migrating to version 7\n${result}${result}`)
    })
  )

  it.effect("model-tool tells a model what a command wrote, and what is not allowed", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const target = web.target(web.local)
      const messages = [
        {
          method: "initialize",
          params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } }
        },
        { method: "tools/call", params: { name: "run_in_task", arguments: { target, command: ["echo", "out"] } } },
        { method: "tools/call", params: { name: "run_in_task", arguments: { target, command: ["ls", "/"] } } }
      ]
      const stdin = Stream.fromIterable(
        messages.map((message, id) => `${JSON.stringify({ jsonrpc: "2.0", id, ...message })}\n`)
      )
      const { args, command, options } = yield* example("model-tool.ts")
      const input = Stream.concat(Stream.encodeText(stdin), Stream.never)
      const { match } = yield* started(
        ChildProcess.make(command, args, { ...options, stdin: input }),
        /(?=.*^\{.*"id":1.*$)(?=.*^\{.*"id":2.*$).*/ms
      )
      const [said = ""] = match
      assert.match(said, /"exitCode":0,"stdout":"out\\n"/)
      assert.match(said, /task-exec\.allow/)
    })
  )
})
