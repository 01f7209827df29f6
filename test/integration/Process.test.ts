import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Stage, StageObserver } from "../../src/index.ts"
import * as TaskProcess from "../../src/process.ts"
import { processContract } from "../contract/ProcessContract.ts"
import { Agents, leavesNothing, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

/** Every case runs over an agent. In these cases the routes differ. */
const casesOf = {
  helper: [
    "several megabytes of output arrive whole",
    "a Stream is the input",
    "without endOnDone the input goes on",
    "kill sends the signal of its options",
    "the end of the scope is the end of the command",
    "a pipe"
  ],
  // The executor is the same on all routes.
  local: [
    "a program that does not exist is not found",
    "several megabytes of output arrive whole",
    "a Stream is the input",
    "without endOnDone the input goes on",
    "kill sends the signal of its options"
  ]
} as const

const select = (names: ReadonlyArray<string>) => processContract.filter(({ name }) => names.includes(name))

const swarm = Library.pipe(
  Layer.provideMerge(leavesNothing),
  Layer.provideMerge(Web.layer("process")),
  Layer.provideMerge(Agents)
)

layer(swarm, { excludeTestServices: true, timeout: "180 seconds" })("the spawner over a task", (it) => {
  for (const [route, task, cases] of [
    ["agent", "remote", processContract],
    ["helper", "remote", select(casesOf.helper)],
    ["local", "local", select(casesOf.local)]
  ] as const) {
    const spawner = Layer.effect(
      ChildProcessSpawner,
      Effect.flatMap(Web, (web) => TaskProcess.make({ target: web.target(web[task]), via: route }))
    )
    it.layer(spawner, { concurrent: true })(`keeps the contract by the route ${route}`, (it) => {
      for (const { check, name } of cases) it.effect(name, () => check)
    })
  }

  it.effect("needs no tunnel for a command whose input is complete when it starts", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const spawner = yield* TaskProcess.make({ target: web.target(web.remote), via: "helper" })
      const { exitCode } = spawner
      const hasTunnel = Effect.fnUntraced(function* (command: Effect.Effect<unknown, PlatformError, Scope.Scope>) {
        const stages = new Set<string>()
        const observer = { began: ({ _tag }: Stage) => void stages.add(_tag), ended: () => undefined }
        yield* Effect.scoped(command).pipe(Effect.provideService(StageObserver, observer))
        assert.include([...stages], "Launch")
        return stages.has("Relay")
      })
      const ended = (stdin?: ChildProcess.CommandInput) =>
        Effect.flatMap(
          spawner.spawn(ChildProcess.make("true", [], stdin === undefined ? {} : { stdin })),
          ({ exitCode }) => exitCode
        )
      const commands = [
        exitCode(ChildProcess.make("true")),
        ended("ignore"),
        ended(Stream.make(new Uint8Array(1000))),
        // Input may arrive as long as the handle exists.
        ended()
      ]
      const tunnels = yield* Effect.forEach(commands, hasTunnel, { concurrency: 4 })
      assert.deepStrictEqual(tunnels, [false, false, false, true])
    })
  )

  it.effect("adds env to the container's own, also without extendEnv", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const spawner = yield* TaskProcess.make({ target: web.target(web.remote), via: "agent" })
      const command = ChildProcess.make("sh", ["-c", 'test -n "$PATH" && echo "$A"'], { env: { A: "1" } })
      assert.strictEqual(yield* spawner.string(command), "1\n")
    })
  )
})
