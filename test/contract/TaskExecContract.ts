/** The contract of the service `TaskExec`, for the real one and for the one for tests. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  CommandNotFound,
  type ExecRequest,
  type FleetRequest,
  OutputTooLarge,
  type RunError,
  TaskExec
} from "../../src/index.ts"
import type { Answer } from "../../src/testing.ts"

/** A service with this name, whose task is on the connected engine. */
export interface ContractService {
  readonly service: string
  /** `web.2` */
  readonly target: string
}

interface Case {
  readonly name: string
  readonly command: ReadonlyArray<string>
  /** The result of the command on a real engine, for the layer without one. */
  readonly answer: Answer
  readonly check: (
    service: ContractService,
    command: ReadonlyArray<string>
  ) => Effect.Effect<void, unknown, TaskExec | Scope.Scope>
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (value: string) => new TextEncoder().encode(value)

/** The tags of a run's events, followed by the tag of its error. Consecutive output events count once. */
const eventTags = (request: ExecRequest) => {
  const tags: Array<string> = []
  const note = (tag: string) => Effect.sync(() => void (tags.at(-1) === tag || tags.push(tag)))
  return TaskExec.stream(request).pipe(
    Stream.runForEach(({ _tag }) => note(_tag)),
    Effect.catch((error: RunError) => note(error._tag)),
    Effect.map(() => tags)
  )
}

const fleetCourse = (request: FleetRequest) =>
  Effect.map(Stream.runCollect(TaskExec.runAll(request)), (events) => events.map(({ _tag }) => _tag))

/** The cases. Each runs by itself. */
export const contract: ReadonlyArray<Case> = [
  {
    name: "run gives exit code and output apart, task and route",
    command: ["sh", "-c", "echo out; echo err >&2; exit 3"],
    answer: { stdout: "out\n", stderr: "err\n", exitCode: 3 },
    check: Effect.fnUntraced(function* ({ service, target }, command) {
      const { exitCode, route, stderr, stdout, task } = yield* TaskExec.run({ target, command })
      assert.deepStrictEqual([exitCode, text(stdout), text(stderr)], [3, "out\n", "err\n"])
      assert.deepStrictEqual([route, task.name, task.service.name], ["local", target, service])
    })
  },
  {
    name: "events come in their order",
    command: ["echo", "out"],
    answer: { stdout: "out\n" },
    check: Effect.fnUntraced(function* ({ target }, command) {
      assert.deepStrictEqual(yield* eventTags({ target, command }), ["Resolved", "Started", "Stdout", "Exited"])
    })
  },
  {
    name: "a detached run has no end",
    command: ["true"],
    answer: {},
    check: Effect.fnUntraced(function* ({ target }, command) {
      assert.deepStrictEqual(yield* eventTags({ target, command, detach: true }), ["Resolved", "Detached"])
      assert.strictEqual((yield* TaskExec.run({ target, command, detach: true })).exitCode, undefined)
    })
  },
  {
    name: "the command reads its input to the end",
    command: ["sort"],
    answer: { stdout: "a\nb\n" },
    check: Effect.fnUntraced(function* ({ target }, command) {
      const stdin = Stream.make("b\n", "a\n").pipe(Stream.encodeText)
      assert.strictEqual(text((yield* TaskExec.run({ target, command, stdin })).stdout), "a\nb\n")
      const session = yield* TaskExec.open({ target, command })
      yield* Effect.forkScoped(Stream.run(stdin, session.stdin))
      const tags = yield* Stream.runCollect(Stream.map(session.events, ({ _tag }) => _tag))
      assert.deepStrictEqual(tags, ["Started", "Stdout", "Exited"])
      assert.strictEqual(yield* session.outcome, 0)
    })
  },
  {
    name: "a signal ends the command",
    command: ["sleep", "1000"],
    answer: Stream.never,
    check: Effect.fnUntraced(function* ({ target }, command) {
      const session = yield* TaskExec.open({ target, command })
      yield* Stream.runForEach(session.events, ({ _tag }) =>
        _tag === "Started" ? session.signal("SIGTERM") : Effect.void
      )
      assert.strictEqual(yield* session.outcome, 143)
    })
  },
  {
    name: "a command that takes too long is ended",
    command: ["sleep", "2000"],
    answer: Stream.never,
    check: Effect.fnUntraced(function* ({ target }, command) {
      const request = { target, command, timeout: "500 millis" } as const
      assert.deepStrictEqual(yield* eventTags(request), ["Resolved", "Started", "ExecTimeout"])
      const error = yield* Effect.flip(TaskExec.run(request))
      assert(error._tag === "ExecTimeout")
      assert.deepStrictEqual([error.after, error.killResult._tag], [500, "Killed"])
    })
  },
  {
    name: "a command that is not there does not start",
    command: ["foobarnone"],
    answer: new CommandNotFound({ command: "foobarnone", detail: "not found" }),
    check: Effect.fnUntraced(function* ({ target }, command) {
      assert.deepStrictEqual(yield* eventTags({ target, command }), ["Resolved", "CommandNotFound"])
    })
  },
  {
    name: "what is wrong with the request, or with its target, is said before anything happens",
    command: ["true"],
    answer: {},
    check: Effect.fnUntraced(function* ({ target, service }, command) {
      assert.deepStrictEqual(yield* eventTags({ target: "nosuchservice.1", command }), ["TaskNotFound"])
      assert.deepStrictEqual(yield* eventTags({ target: `${service}.99`, command }), ["TaskNotFound"])
      assert.deepStrictEqual(yield* eventTags({ target: "we b", command }), ["InvalidTarget"])
      assert.deepStrictEqual(yield* eventTags({ target, command: [] }), ["InvalidRequest"])
      assert.deepStrictEqual(yield* eventTags({ target, command: ["a\0b"] }), ["InvalidRequest"])
      assert.deepStrictEqual(yield* eventTags({ target: "nosuchservice", command, wait: "5 seconds" }), [
        "TaskNotFound"
      ])
      assert.deepStrictEqual(yield* eventTags({ target, command, wait: "30 seconds" }), [
        "Resolved",
        "Started",
        "Exited"
      ])
    })
  },
  {
    name: "run keeps no more than its limit in memory",
    command: ["yes"],
    answer: Stream.forever(Stream.succeed({ _tag: "Stdout", data: new Uint8Array(1024 * 1024) })),
    check: Effect.fnUntraced(function* ({ target }, command) {
      assert.instanceOf(yield* Effect.flip(TaskExec.run({ target, command })), OutputTooLarge)
    })
  },
  {
    name: "runAll tells of every task",
    command: ["cat"],
    answer: { stdout: "in", exitCode: 0 },
    check: Effect.fnUntraced(function* ({ target, service }, command) {
      const stdin = Stream.make(bytes("in"))
      assert.deepStrictEqual(yield* fleetCourse({ selection: { targets: [target] }, command, stdin }), [
        "Chosen",
        "Started",
        "Stdout",
        "Ended",
        "Finished"
      ])
      const nothing = Stream.runDrain(TaskExec.runAll({ selection: { services: [`${service}-none`] }, command }))
      assert.strictEqual((yield* Effect.flip(nothing))._tag, "NothingSelected")
    })
  }
]
