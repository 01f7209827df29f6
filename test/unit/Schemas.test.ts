import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcTest from "effect/rpc/RpcTest"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { errors } from "../../adapters/docs/Errors.ts"
import {
  DurationData,
  ExecRequestData,
  ExecResult,
  FleetEvent,
  FleetRequestData,
  RunError,
  RunEvent,
  Target,
  TaskExec,
  TaskExecError
} from "../../src/index.ts"
import { layerTest, reply } from "../../src/testing.ts"

/** Encodes a value as JSON text and decodes it. */
const sent = <A, I>(schema: Schema.Codec<A, I>, value: A): A =>
  Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(Schema.encodeSync(schema)(value))))

/** The expected value after decoding: a `Duration` becomes milliseconds, and JSON has no -0. The cause of an error may be any value. */
const plain = (value: unknown): unknown => {
  if (value === 0) return 0
  if (Duration.isDuration(value)) return plain(Duration.toMillis(value))
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value
  const { cause: _, ...fields } = { cause: undefined, ...value }
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, plain(item)]))
}

describe("the JSON encoding loses nothing of", () => {
  it.prop("a request", [ExecRequestData], ([request]) => {
    assert.deepStrictEqual(plain(sent(ExecRequestData, request)), plain(request))
  })

  it.prop("the request of a fan-out", [FleetRequestData], ([request]) => {
    assert.deepStrictEqual(plain(sent(FleetRequestData, request)), plain(request))
  })

  it.prop("a target", [Target], ([target]) => {
    assert.deepStrictEqual(plain(sent(Target, target)), plain(target))
  })

  it.prop("an event of a run", [RunEvent], ([event]) => {
    assert.deepStrictEqual(plain(sent(RunEvent, event)), plain(event))
  })

  it.prop("an event of a fan-out", [FleetEvent], ([event]) => {
    assert.deepStrictEqual(plain(sent(FleetEvent, event)), plain(event))
  })

  it.prop("a result", [ExecResult], ([result]) => {
    assert.deepStrictEqual(plain(sent(ExecResult, result)), plain(result))
  })

  it.prop("an error", [TaskExecError], ([error]) => {
    const arrived = sent(TaskExecError, error)
    assert.strictEqual(arrived.constructor, error.constructor)
    assert.deepStrictEqual(plain(arrived), plain(error))
    assert.strictEqual(arrived.message, error.message)
    assert.strictEqual(TaskExec.isNothingRun(arrived), TaskExec.isNothingRun(error))
  })
})

/** The service as Rpcs for other processes. */
const Commands = RpcGroup.make(
  Rpc.make("run", { payload: ExecRequestData, success: ExecResult, error: RunError }),
  Rpc.make("stream", { payload: ExecRequestData, success: RunEvent, error: RunError, stream: true })
)

describe("a group of Rpcs", () => {
  const served = RpcTest.makeClient(Commands).pipe(
    Effect.provide(Commands.toLayer({ run: TaskExec.run, stream: TaskExec.stream })),
    Effect.provide(layerTest({ tasks: ["web.1"], script: { hello: { stdout: "out", exitCode: 3 } } }))
  )

  it.effect("takes the functions of TaskExec as its handlers", () =>
    Effect.gen(function* () {
      const { run, stream } = yield* served
      const { exitCode, stdout } = yield* run({ target: "web.1", command: ["hello"] })
      assert.deepStrictEqual([exitCode, new TextDecoder().decode(stdout)], [3, "out"])
      const events = yield* Stream.runCollect(stream({ target: "web.1", command: ["hello"] }))
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Resolved", "Started", "Stdout", "Exited"]
      )
      const error = yield* Effect.flip(run({ target: "web.2", command: ["hello"] }))
      assert.isTrue(TaskExec.isNothingRun(error))
    })
  )

  // The codecs that Rpc derives for its serializations.
  it.prop("sends every value without loss", [RunEvent, ExecResult, RunError], ([event, result, error]) => {
    assert.deepStrictEqual(plain(sent(Schema.toCodecJson(RunEvent), event)), plain(event))
    assert.deepStrictEqual(plain(sent(Schema.toCodecJson(ExecResult), result)), plain(result))
    assert.deepStrictEqual(plain(sent(Schema.toCodecJson(RunError), error)), plain(error))
  })
})

describe("the schemas", () => {
  it("keep the text of every error", () => {
    for (const error of Object.values(errors).flatMap(({ samples }) => samples)) {
      assert.strictEqual(sent(TaskExecError, error).message, error.message)
    }
  })

  it("encode bytes as base64, and durations as milliseconds or text", () => {
    const event: RunEvent = { _tag: "Stdout", data: new Uint8Array([0, 255]) }
    assert.deepStrictEqual(Schema.encodeSync(RunEvent)(event), { _tag: "Stdout", data: "AP8=" })
    const durations: ReadonlyArray<DurationData> = [Duration.seconds(90), 90_000, "90 seconds"]
    assert.deepStrictEqual(
      durations.map((duration) => Schema.encodeSync(DurationData)(duration)),
      [90_000, 90_000, "90 seconds"]
    )
  })

  it.effect("decode a request that TaskExec runs or refuses with its own errors", () =>
    Effect.gen(function* () {
      const run = (message: string) =>
        Schema.decodeUnknownEffect(Schema.fromJsonString(ExecRequestData))(message).pipe(
          Effect.orDie,
          Effect.flatMap((request) => TaskExec.run({ ...request, stdin: Stream.make(new Uint8Array([7])) }))
        )
      const result = yield* run('{"target":"web.1","command":["cat"],"timeout":"1 minute"}')
      assert.deepStrictEqual([result.exitCode, [...result.stdout]], [3, [7]])
      const failures: ReadonlyArray<readonly [string, string]> = [
        ['{"target":"web.1","command":[]}', "invalid request: the command is empty"],
        [
          '{"target":"web.1","command":["x"],"grace":-1}',
          'invalid request: grace must be a duration such as "90 seconds", not -1'
        ]
      ]
      for (const [message, text] of failures) {
        const error: RunError = yield* Effect.flip(run(message))
        assert.strictEqual(error.message, text)
      }
    }).pipe(
      Effect.provide(
        layerTest({
          tasks: ["web.1"],
          script: ({ stdin }) =>
            Stream.unwrap(Effect.map(Stream.mkUint8Array(stdin), (stdout) => reply({ stdout, exitCode: 3 })))
        })
      )
    )
  )
})
