/** `task-exec debug`: a toolbox beside a task's container, on every route. */
import { join } from "node:path"
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { leftovers } from "../cluster/Leftovers.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { removeService, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller, untilNothingLeft } from "./Callers.ts"
import { Agents, checkLeftoversMeanwhile, type ProcessOptions, program, programOn, stretched, Web } from "./Harness.ts"
import { openPty } from "./Pty.ts"

checkLeftoversMeanwhile()

const dist = join(import.meta.dirname, "../../dist")

/** Our own image has Node and no shell. It serves as a user's image here. */
const imageWithoutShell = Effect.map(SwarmCluster, ({ registry }) => `${registry}/task-exec:dev`)

const routes = {
  "local route": { pick: "local", flags: [] },
  "helper on another node": { pick: "remote", flags: [] },
  "agent on another node": { pick: "remote", flags: ["--via", "agent"] }
} as const

/** The tests for every route. */
const onRoute = (name: keyof typeof routes, it: Vitest.MethodsNonLive<SwarmCluster | Web>) => {
  const { flags, pick } = routes[name]
  describe(name, () => {
    const call = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
      const { image, manager } = yield* SwarmCluster
      const env = { DOCKER_HOST: manager.dockerHost, TASK_EXEC_DEBUG_IMAGE: image, ...options.env }
      return pick === "local"
        ? yield* programOn(manager, "task-exec.cjs", ["debug", ...flags, ...args], { ...options, env })
        : yield* program("task-exec.cjs", ["debug", ...flags, ...args], { ...options, env })
    })
    const target = Effect.map(Web, (web) => web.target(web[pick]))

    it.effect(
      "runs in the processes, volumes and network of a container without a shell, with stdin and exit code",
      () =>
        Effect.gen(function* () {
          const { manager } = yield* SwarmCluster
          const web = yield* Web
          const node = web.nodeOf(web[pick])
          yield* service(manager.socket, {
            name: "plain",
            image: yield* imageWithoutShell,
            node: node.name,
            command: ["node", "-e", "require('fs').writeFileSync('/data/mark', 'volume'); setInterval(() => {}, 1e9)"],
            containerSpec: {
              Mounts: [
                { Type: "tmpfs", Target: "/scratch" },
                { Type: "volume", Target: "/data" }
              ],
              ReadOnly: true
            }
          })
          const [before] = yield* waitRunning(manager.socket, "plain", 1)
          const script = [
            "until [ -e /data/mark ]; do sleep 0.1; done",
            "tr '\\0' ' ' < /proc/1/cmdline | cut -c 1-7",
            "ls /proc/1/root/opt",
            "cat /data/mark; echo",
            "hostname | tr -d '[:xdigit:]'",
            "cat; exit 7"
          ].join("; ")
          const { code, stderr, stdout } = yield* call(["-i", "plain", "sh", "-c", script], { input: "from stdin" })
          assert.deepStrictEqual([code, stdout.toString(), stderr], [7, "node -e\ntask-exec\nvolume\n\nfrom stdin", ""])
          // The task was not affected by the toolbox.
          const [after] = yield* waitRunning(manager.socket, "plain", 1)
          assert.deepStrictEqual(after, before)
        }).pipe(Effect.scoped)
    )

    it.effect("kills the command and its child processes at the timeout, and removes the toolbox", () =>
      Effect.gen(function* () {
        const stubborn = ["sh", "-c", "trap '' TERM; setsid sleep 4321 & echo up; exec sleep 4321"]
        const { code, stdout } = yield* call([
          "--timeout",
          `${stretched(3)}`,
          "--grace",
          "1s",
          yield* target,
          ...stubborn
        ])
        assert.deepStrictEqual([code, stdout.toString()], [124, "up\n"])
        assert.deepStrictEqual(yield* leftovers(yield* SwarmCluster), [])
      })
    )

    it.effect("gives each of several runs its own toolbox", () =>
      Effect.gen(function* () {
        const web = yield* target
        const results = yield* Effect.forEach([1, 2], (code) => call([web, "sh", "-c", `exit ${code}`]), {
          concurrency: 2
        })
        assert.deepStrictEqual(
          results.map(({ code, stderr }) => [code, stderr]),
          [1, 2].map((code) => [code, ""])
        )
      })
    )

    it.effect("exits with 125 and a next step for an unknown image", () =>
      Effect.gen(function* () {
        const { registry } = yield* SwarmCluster
        const image = `${registry}/nothing-there:1`
        const { code, stderr, stdout } = yield* call(["--image", image, yield* target, "true"])
        assert.deepStrictEqual([code, stdout.toString()], [125, ""])
        assert.include(stderr, `cannot start a toolbox from image ${image} beside container`)
        assert.match(stderr, /Choose an image that the node can pull with --image or TASK_EXEC_DEBUG_IMAGE\.\n$/)
      })
    )

    it.effect("fails if the task ends meanwhile, and leaves nothing", () =>
      Effect.gen(function* () {
        const { image, manager } = yield* SwarmCluster
        const web = yield* Web
        const id = yield* service(manager.socket, { name: "dying", image, node: web.nodeOf(web[pick]).name })
        yield* waitRunning(manager.socket, "dying", 1)
        let ends = false
        const ended = yield* Effect.forkChild(
          pollUntil(
            Effect.sync(() => ends),
            { every: 50, atMost: 120_000, orElse: Effect.die("the command did not start") }
          ).pipe(Effect.andThen(removeService(manager.socket, id)))
        )
        const { code, stderr } = yield* call(["dying", "sh", "-c", "echo up; sleep 4321"], {
          onOutput: () => {
            ends = true
          }
        })
        assert.strictEqual(code, 125, stderr)
        assert.match(stderr, /^task-exec: the command did not finish: container [0-9a-f]{12} stopped/)
        assert.isDefined(ended)
      }).pipe(Effect.scoped)
    )
  })
}

layer(Web.layer("debugged"), { excludeTestServices: true, timeout: "180 seconds" })("debug", (it) => {
  onRoute("local route", it)
  onRoute("helper on another node", it)
  it.layer(Agents, { timeout: "180 seconds" })("with agents", (it) => onRoute("agent on another node", it))

  const environment = Effect.map(SwarmCluster, ({ image, manager }) => ({
    DOCKER_HOST: manager.dockerHost,
    TASK_EXEC_DEBUG_IMAGE: image
  }))

  for (const pick of ["local", "remote"] as const) {
    it.effect(`${pick}: kill -9 of the caller kills the command and removes the toolbox`, () =>
      Effect.gen(function* () {
        const web = yield* Web
        const command = ["debug", web.target(web[pick]), "sh", "-c", "echo up; sleep 4321"]
        // A toolbox on the connected engine needs no guard, because it ends with the connection.
        if (pick === "remote") {
          const isUnderWay = (output: string) => output.includes("up")
          yield* killCaller("task-exec.cjs", command, { name: "debug", env: yield* environment, isUnderWay })
        } else {
          const onOutput: ProcessOptions["onOutput"] = (_, kill) => kill("SIGKILL")
          assert.strictEqual(
            (yield* program("task-exec.cjs", command, { env: yield* environment, onOutput })).code,
            null
          )
        }
        yield* untilNothingLeft
      })
    )
  }

  it.effect("opens a shell whose prompt names the target", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const name = web.target(web.remote)
      const pty = yield* openPty([process.execPath, join(dist, "task-exec.cjs"), "debug", "-it", name], {
        env: yield* environment
      })
      yield* pty.see(new RegExp(`debug ${name}:/# `))
      pty.type("exit 5\r")
      assert.strictEqual((yield* pty.end).code, 5)
    }).pipe(Effect.scoped)
  )

  it.effect("runs in every task of a service", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { code, stdout } = yield* program(
        "task-exec.cjs",
        ["debug", "--all", "-q", web.name, "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline"],
        { env: yield* environment }
      )
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout.toString().match(/sleep 1000000/g)?.length, 3, stdout.toString())
    })
  )

  it.effect("needs only the word debug in the policy label", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const env = yield* environment
      for (const [name, allow, code] of [
        ["strict", "ps, sh", 125],
        ["open", "debug", 0]
      ] as const) {
        const labels = { "task-exec.allow": allow }
        yield* service(manager.socket, { name, image, labels })
        yield* waitRunning(manager.socket, name, 1)
        const result = yield* program("task-exec.cjs", ["debug", name, "sh", "-c", "echo ran"], { env })
        assert.deepStrictEqual([result.code, result.stdout.toString()], [code, code === 0 ? "ran\n" : ""])
        if (code !== 0) assert.match(result.stderr, /cannot run "debug" in strict\.1/)
      }
    }).pipe(Effect.scoped)
  )
})
