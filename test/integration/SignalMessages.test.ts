/** The message of a verb that has not ended a second after Ctrl-C: it names what the verb waits for. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import { get, request } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { portForward } from "./Forwards.ts"
import { checkLeftovers, taskExec, Web } from "./Harness.ts"

checkLeftovers()

/** A shell script that SIGINT does not end. */
const deaf = "trap '' INT; echo up; sleep 5432"

/** Returns what the program waits for after its first signal. */
const waitsFor = (stderr: string): string | undefined =>
  /^task-exec: SIGINT: waiting for (.*) \(a second signal kills, a third one exits at once\)\n/.exec(stderr)?.[1]

/** Runs a verb that runs {@link deaf}. Sends SIGINT when the script is up, and again after the message, which kills the script. */
const interruptDeaf = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { image } = yield* SwarmCluster
  let sent = 0
  const { code, stderr } = yield* taskExec(args, {
    env: { TASK_EXEC_DEBUG_IMAGE: image },
    onOutput: (output, kill) => {
      if (sent > 0 || output !== "up\n") return
      sent = 1
      kill("SIGINT")
    },
    onError: (text, kill) => {
      if (sent !== 1 || waitsFor(text) === undefined) return
      sent = 2
      kill("SIGINT")
    }
  })
  assert.deepStrictEqual([code, sent], [137, 2], stderr)
  return waitsFor(stderr)
})

const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))
const toolboxes = { query: { filters: JSON.stringify({ label: ["task-exec.role=toolbox"] }) } }

layer(Web.layer("signaled"), { excludeTestServices: true, timeout: "180 seconds" })("after Ctrl-C", (it) => {
  it.effect("exec, debug and run name the command", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const web = yield* Web
      const target = web.target(web.local)
      const where = `${target} on ${manager.name}`
      const [command, toolbox, oneOff = ""] = yield* Effect.all(
        [
          interruptDeaf([target, "sh", "-c", deaf]),
          interruptDeaf(["debug", target, "sh", "-c", deaf]),
          interruptDeaf(["run", "--entrypoint", "sh", `${web.name}@${manager.name}`, "-c", deaf])
        ],
        { concurrency: 3 }
      )
      assert.deepStrictEqual(
        [command, toolbox],
        [`the command in ${where} to end`, `the command in the toolbox of ${where} to end`]
      )
      assert.match(oneOff, new RegExp(`^the command in ${web.name}\\.run\\S* on ${manager.name} to end$`))
    })
  )

  it.effect("port-forward names the forwarding", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const web = yield* Web
      const target = web.target(web.local)
      const forwarded = yield* portForward([target, "0:80"])
      const [toolbox] = yield* get(manager.socket, "/containers/json", Containers, toolboxes)
      const set = (action: "pause" | "unpause") =>
        request(manager.socket, "POST", `/containers/${toolbox?.Id}/${action}`)
      // The forwarding process cannot end before the message has appeared.
      yield* set("pause")
      forwarded.kill("SIGINT")
      yield* pollUntil(
        Effect.sync(() => forwarded.said().endsWith("\n")),
        { every: 50, atMost: 60_000, orElse: Effect.die("port-forward prints no message") }
      )
      yield* set("unpause")
      const { code, stderr } = yield* forwarded.end
      assert.deepStrictEqual(
        [code, waitsFor(stderr)],
        [0, `the port forwarding to ${target} on ${manager.name} to end`],
        stderr
      )
    }).pipe(Effect.scoped)
  )

  /** Runs a verb on another node. Sends SIGINT when its helper exists, and makes the removals of its objects slow. */
  const interruptSlow = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
    const { manager } = yield* SwarmCluster
    const isCreated = Latch.makeUnsafe(false)
    const proxy = yield* engineProxy(manager.socket, ({ line }) => {
      if (/^GET \S*\/services\/\S+\/logs/.test(line)) Latch.openUnsafe(isCreated)
      return "pass"
    })
    let kill: (signal: NodeJS.Signals) => void = () => undefined
    const interrupt = Effect.sync(() => {
      // Each removal takes longer than the second after which the message appears.
      proxy.slowDown(1000)
      kill("SIGINT")
    })
    const [{ code, stderr }] = yield* Effect.all(
      [
        taskExec(args, {
          env: { DOCKER_HOST: proxy.dockerHost },
          keepsInput: true,
          onStart: (send) => {
            kill = send
          }
        }),
        Effect.andThen(isCreated.await, interrupt)
      ],
      { concurrency: 2 }
    )
    assert.strictEqual(code, 130, stderr)
    return waitsFor(stderr) ?? stderr
  }, Effect.scoped)

  it.effect("logs and cp, which have no command, name the objects that the engine removes", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const target = web.target(web.remote)
      const all = yield* Effect.all(
        [interruptSlow(["logs", "-f", target]), interruptSlow(["cp", "-", `${target}:/tmp`])],
        { concurrency: 2 }
      )
      // One of the two may be gone when the message appears.
      for (const text of all) assert.match(text, /^the engine to remove (secret|service) task-exec-\S+/)
    })
  )
})
