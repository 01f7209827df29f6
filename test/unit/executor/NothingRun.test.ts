import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import { EngineError, EngineUnreachable, UnexpectedReply } from "../../../src/engine/EngineErrors.ts"
import { Container } from "../../../src/engine/EngineSchemas.ts"
import type { ExecConnection } from "../../../src/engine/ExecRequests.ts"
import { summaryOf } from "../../../src/engine/Hints.ts"
import { Executor } from "../../../src/executor/Executor.ts"
import { Guard } from "../../../src/executor/Guard.ts"
import { ProcessKiller } from "../../../src/executor/ProcessKiller.ts"
import { isNothingRun } from "../../../src/index.ts"
import { plainSpec } from "./Specs.ts"

const host = "h"
const operation = "ask"
const refused = new EngineUnreachable({ host, operation, reason: "Refused", detail: "connection refused" })
const lost = new EngineUnreachable({ host, operation, reason: "Lost", detail: "the connection was closed" })
const late = new EngineUnreachable({ host, operation, reason: "Timeout", detail: "no response" })
const other = new UnexpectedReply({ host, operation, detail: "an HTML page" })
const denied = new EngineError({ host, operation, status: 503, text: "the engine is busy" })

const readContainer = Schema.decodeUnknownEffect(Container)

const started = { ID: "exec", ContainerID: "c", Running: true, ExitCode: null, Pid: 42 }

const connection: ExecConnection = {
  framing: "multiplexed",
  output: Stream.never,
  arrival: Effect.void,
  write: () => Effect.void,
  endInput: Effect.void
}

/** The error of a command on an engine that answers so. */
const errorOf = (engine: Partial<DockerEngine["Service"]>, detach = false) =>
  Executor.use(({ exec }) => Stream.runDrain(exec({ ...plainSpec, detach }))).pipe(
    Effect.flip,
    Effect.provide(
      Executor.layer({ image: Effect.succeed("task-exec:test") }).pipe(
        Layer.provide(
          Layer.mock(DockerEngine)({
            host,
            inspectContainer: () =>
              Effect.orDie(readContainer({ Id: "c", State: { Running: true }, Config: {}, HostConfig: {} })),
            createExec: () => Effect.succeed("exec"),
            startExec: () => Effect.succeed(connection),
            inspectExec: () => Effect.succeed(started),
            ...engine
          })
        ),
        Layer.provide(Guard.none),
        Layer.provide(Layer.succeed(ProcessKiller, { end: () => Effect.succeed({ _tag: "Killed" }) }))
      )
    ),
    TestClock.withLive
  )

describe("an engine that fails", () => {
  it.effect("before the command may have begun: the engine's error, and nothing has run", () =>
    Effect.gen(function* () {
      for (const error of [refused, lost, late, other, denied]) {
        const seen = yield* errorOf({ createExec: () => Effect.fail(error) })
        assert.strictEqual(seen, error)
        assert.isTrue(isNothingRun(seen))
      }
      for (const error of [refused, denied]) {
        assert.strictEqual(yield* errorOf({ startExec: () => Effect.fail(error) }), error)
        assert.strictEqual(yield* errorOf({ startExecDetached: () => Effect.fail(error) }, true), error)
      }
    })
  )

  it.effect("when it starts the command, without an answer: the outcome is unknown", () =>
    Effect.gen(function* () {
      for (const error of [lost, late, other]) {
        for (const seen of [
          yield* errorOf({ startExec: () => Effect.fail(error) }),
          yield* errorOf({ startExecDetached: () => Effect.fail(error) }, true)
        ]) {
          assert.deepInclude(seen, { _tag: "OutcomeUnknown", detail: summaryOf(error) })
          assert.isFalse(isNothingRun(seen))
        }
      }
    })
  )

  it.effect("after that: the outcome is unknown, even if no later request was sent", () =>
    Effect.gen(function* () {
      for (const error of [refused, lost, late, other, denied]) {
        for (const seen of [
          yield* errorOf({ inspectExec: () => Effect.fail(error) }),
          yield* errorOf({ startExec: () => Effect.succeed({ ...connection, output: Stream.fail(lost) }) })
        ]) {
          assert.strictEqual(seen._tag, "OutcomeUnknown")
          assert.isFalse(isNothingRun(seen))
        }
      }
    })
  )
})
