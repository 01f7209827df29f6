/**
 * Uses the package in Node, Bun or Deno, as a project does that has installed it. Prints each failed check, and then exits with 1.
 * Arguments: tasks of the swarm in `DOCKER_HOST`, if any.
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import {
  ContainerNotRunning,
  ExecRequestData,
  HelperImage,
  openTaskFiles,
  type RunEvent,
  Swarm,
  TaskExec,
  TaskExecError
} from "task-exec"
import { connect } from "task-exec/promise"
import { layerTest } from "task-exec/testing"

const runtime = "Bun" in globalThis ? "Bun" : "Deno" in globalThis ? "Deno" : "Node"
const targets = process.argv.slice(2)
let failed = 0

/** Compares the result of an effect, as JSON. */
const check = <E, R>(name: string, effect: Effect.Effect<unknown, E, R>, expected: unknown) =>
  effect.pipe(
    Effect.timeout("2 minutes"),
    Effect.map((value) => JSON.stringify(value)),
    Effect.catchCause((cause) => Effect.succeed(Cause.pretty(cause))),
    Effect.tap((seen) => {
      const isRight = expected instanceof RegExp ? expected.test(seen) : seen === JSON.stringify(expected)
      if (isRight) return Effect.void
      failed++
      return Console.error(`${runtime}: ${name}: ${seen}`)
    })
  )

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const tagOf = ({ _tag }: RunEvent) => _tag

const left = [new ContainerNotRunning({ container: "c", detail: "container c is not running" })]
const withoutSwarm = Effect.gen(function* () {
  const request = yield* Schema.decodeEffect(Schema.fromJsonString(ExecRequestData))(
    '{"target":"web.1","command":["./migrate"],"timeout":"1 minute"}'
  )
  const retried = Effect.retry(TaskExec.run(request), { while: TaskExec.isRetryable, times: 2 })
  yield* check(
    "a retry",
    Effect.map(retried, ({ exitCode }) => exitCode),
    3
  )
  yield* check(
    "events",
    Effect.map(Stream.runCollect(TaskExec.stream(request)), (events) => events.map(tagOf)),
    ["Resolved", "Started", "Stdout", "Exited"]
  )
  const error = yield* Effect.flip(TaskExec.run({ ...request, command: [] }))
  const sent = Schema.decodeUnknownSync(TaskExecError)(
    JSON.parse(JSON.stringify(Schema.encodeSync(TaskExecError)(error)))
  )
  yield* check("an error as data", Effect.succeed(sent.message), "invalid request: the command is empty")
}).pipe(Effect.provide(layerTest({ tasks: ["web.1"], script: () => left.shift() ?? { stdout: "out\n", exitCode: 3 } })))

/** What needs a tunnel on another node, which only Node supports. */
const tunneled = (route: string, expected: unknown) =>
  route === "helper" && runtime !== "Node" ? /has no TLS with pre-shared keys/ : expected

const inTask = Effect.fnUntraced(function* (target: string) {
  const run = (command: ReadonlyArray<string>) => TaskExec.run({ target, command })
  const first = yield* run(["sh", "-c", "echo out; echo err >&2; exit 3"])
  const { exitCode, route, stderr, stdout } = first
  yield* check(`${target}: output`, Effect.succeed([exitCode, text(stdout), text(stderr)]), [3, "out\n", "err\n"])
  const input = Stream.make("a", "b").pipe(Stream.encodeText)
  const whole = TaskExec.run({ target, command: ["cat"], stdin: input })
  yield* check(
    `${target}: input`,
    Effect.map(whole, (result) => text(result.stdout)),
    "ab"
  )
  const slow = Stream.tap(Stream.rechunk(input, 1), () => Effect.sleep("300 millis"))
  const later = TaskExec.run({ target, command: ["cat"], stdin: slow })
  yield* check(
    `${target}: input that goes on`,
    Effect.map(later, (result) => text(result.stdout)),
    tunneled(route, "ab")
  )
  const much = Effect.map(run(["head", "-c", "3000000", "/dev/zero"]), (result) => result.stdout.length)
  yield* check(`${target}: much output`, much, 3_000_000)
  const late = Effect.flip(TaskExec.run({ target, command: ["sleep", "1000"], timeout: "1 second" }))
  yield* check(
    `${target}: a timeout`,
    Effect.map(late, ({ _tag }) => _tag),
    "ExecTimeout"
  )
  const interrupted = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Stream.runDrain(TaskExec.stream({ target, command: ["sleep", "1000"] })))
    yield* Effect.sleep("2 seconds")
    yield* Fiber.interrupt(fiber)
  })
  yield* check(`${target}: an interruption`, Effect.as(interrupted, true), true)
  const files = openTaskFiles({ target }).pipe(
    Effect.flatMap(({ stat }) => stat("/etc/hostname")),
    Effect.map(({ name }) => name),
    Effect.scoped,
    Effect.provide(HelperImage.layer),
    Effect.provide(Swarm.layer)
  )
  yield* check(`${target}: files`, files, tunneled(route, "hostname"))
})

const onSwarm = Effect.gen(function* () {
  for (const target of targets) yield* inTask(target)
  const all = TaskExec.runAll({ selection: { targets }, command: ["true"] })
  const results = Stream.runCollect(Stream.filter(all, ({ _tag }) => _tag === "Ended"))
  yield* check(
    "a fan-out",
    Effect.map(results, (ended) => ended.length),
    targets.length
  )
}).pipe(Effect.provide(TaskExec.layer))

await Effect.runPromise(withoutSwarm)
if (targets.length > 0) {
  await Effect.runPromise(onSwarm)
  const swarm = await connect()
  for (const target of targets) {
    const { stdout } = await swarm.run({ target, command: ["echo", "promise"] })
    await Effect.runPromise(check(`${target}: promises`, Effect.succeed(text(stdout)), "promise\n"))
  }
  await swarm.close()
}
process.exitCode = failed === 0 ? 0 : 1
