/** `TaskExec.signal` and `task-exec signal`: signals to the main processes of tasks, on every route. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TaskExec } from "../../src/index.ts"
import { containerLog } from "../cluster/ContainerLog.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { Agents, checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

/** Prints which signals its main process gets, and which ones a child process gets. */
const script = [
  "sh -c 'trap \"echo child got HUP\" HUP; while :; do sleep 0.1; done' &",
  'for s in HUP USR1 WINCH; do trap "echo got $s" $s; done',
  "echo ready",
  "while :; do sleep 0.1; done"
].join("\n")

/** The lines that the containers of the web service have written, in order. */
const linesOf = Effect.fnUntraced(function* (pick: "local" | "remote") {
  const web = yield* Web
  const { stdout } = yield* containerLog(web.nodeOf(web[pick]).socket, web[pick].containerId)
  return stdout.toString().split("\n").slice(0, -1)
})

const untilLines = (pick: "local" | "remote", count: number) =>
  pollUntil(
    Effect.map(linesOf(pick), (lines) => lines.length >= count),
    { every: 100, atMost: 120_000, orElse: Effect.die("no lines") }
  )

layer(
  Library.pipe(
    Layer.provideMerge(Agents),
    Layer.provideMerge(Web.layer("signaled", { command: ["sh", "-c", script] }))
  ),
  {
    excludeTestServices: true,
    timeout: "180 seconds"
  }
)("a signal", (it) => {
  it.effect("reaches only the main process of a task, on every route", () =>
    Effect.gen(function* () {
      const web = yield* Web
      for (const [pick, via] of [
        ["local", "auto"],
        ["remote", "helper"],
        ["remote", "agent"]
      ] as const) {
        const target = web.target(web[pick])
        yield* untilLines(pick, 1)
        const before = (yield* linesOf(pick)).length
        yield* TaskExec.signal({ target, via, signal: "HUP" })
        yield* untilLines(pick, before + 1)
        yield* TaskExec.signal({ target, via, signal: "SIGUSR1" })
        yield* untilLines(pick, before + 2)
        yield* TaskExec.signal({ target, via, signal: "28" })
        yield* untilLines(pick, before + 3)
        assert.deepStrictEqual((yield* linesOf(pick)).slice(before), ["got HUP", "got USR1", "got WINCH"])
      }
    })
  )

  it.effect("reaches every task of a service", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const before = yield* Effect.all([linesOf("local"), linesOf("remote")])
      const events = yield* Stream.runCollect(
        TaskExec.signalAll({ selection: { services: [web.name] }, signal: "HUP" })
      )
      const last = events.at(-1)
      assert(last?._tag === "Finished")
      assert.deepStrictEqual(
        last.results.map(({ result }) => result),
        Array(3).fill({ _tag: "Exited", code: 0 })
      )
      yield* untilLines("local", before[0].length + 1)
      yield* untilLines("remote", before[1].length + 1)
    })
  )

  it.effect("is sent by task-exec signal without a message for one task, and with a summary for many", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const before = (yield* linesOf("remote")).length
      const one = yield* taskExec(["signal", "hup", web.target(web.remote)])
      assert.deepStrictEqual([one.code, one.stdout.toString(), one.stderr], [0, "", ""])
      yield* untilLines("remote", before + 1)
      const all = yield* taskExec(["signal", "HUP", "--all", web.name])
      assert.deepStrictEqual(
        [all.code, all.stdout.toString(), all.stderr],
        [0, "", "task-exec: 3 tasks: 3 succeeded\n"]
      )
      yield* untilLines("remote", before + 2)
    })
  )

  it.effect("that does not exist is refused before any request", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(TaskExec.signal({ target: "web", signal: "HUPP" }))
      assert.strictEqual(
        error.message,
        'invalid request: signal must be a name such as HUP, or a number from 1 to 64, not "HUPP"'
      )
    })
  )

  it.effect("needs its word in the policy label, also by an agent", () =>
    Effect.gen(function* () {
      const { manager, nodes, registry } = yield* SwarmCluster
      const node = nodes.find((one) => one !== manager)?.name ?? ""
      const labels = { "task-exec.allow": "signal SIGWINCH" }
      yield* service(manager.socket, { name: "picky", image: `${registry}/busybox:1`, node, labels })
      yield* waitRunning(manager.socket, "picky", 1)
      for (const via of ["helper", "agent"] as const) {
        yield* TaskExec.signal({ target: "picky", via, signal: "WINCH" })
        const error = yield* Effect.flip(TaskExec.signal({ target: "picky", via, signal: "TERM" }))
        assert(error._tag === "PolicyDenied")
        assert.strictEqual(error.program, "signal")
      }
    }).pipe(Effect.scoped)
  )
})
