import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { lineOf } from "../../../adapters/audit/AuditFile.ts"
import { Audit, type AuditRecord, describeSpec } from "../../../src/audit/Audit.ts"
import { recordCopy, recordRun } from "../../../src/audit/Recording.ts"
import type { ExecEvent } from "../../../src/executor/ExecEvent.ts"
import type { ExecSpec } from "../../../src/executor/ExecSpec.ts"
import { ContainerStopped } from "../../../src/executor/ExecutorErrors.ts"

const target = { service: "web", task: "web.2", taskId: "t1", node: "node-3", container: "c1" }
const spec: ExecSpec = {
  runId: "r1",
  container: "c1",
  command: ["df", "-h"],
  env: ["LEVEL=debug", "EMPTY="],
  user: "app",
  privileged: false,
  stdin: true,
  detach: false,
  signal: "SIGTERM",
  grace: 10_000,
  policy: { serviceAllow: "df" }
}
const bytes = (text: string) => Buffer.from(text)

/** The records that observers receive during an effect. */
const recordsOf = Effect.fnUntraced(function* <E>(work: Effect.Effect<unknown, E, Scope.Scope>) {
  const records: Array<AuditRecord> = []
  yield* Effect.scoped(work).pipe(
    Effect.exit,
    Effect.provideService(Audit, { record: (record) => Effect.sync(() => void records.push(record)) })
  )
  return records
})

const outcomeOf = <E extends { readonly _tag: string }>(events: Stream.Stream<ExecEvent, E>) =>
  Effect.map(
    recordsOf(
      Effect.flatMap(recordRun(target, "local", spec), (recording) => Stream.runDrain(recording.events(events)))
    ),
    (records) => records.map(({ outcome }) => outcome)
  )

describe("the record of a run", () => {
  it.effect("has command, task, route, times, result, and bytes in and out", () =>
    Effect.gen(function* () {
      const records = yield* recordsOf(
        Effect.gen(function* () {
          const recording = yield* recordRun(target, "helper", spec)
          const { stdin } = recording.input({ stdin: Stream.make(bytes("in"), bytes("put")), sizes: Stream.empty })
          yield* Stream.runDrain(stdin)
          yield* TestClock.adjust("2 seconds")
          const events = Stream.make<ReadonlyArray<ExecEvent>>(
            { _tag: "Started", execId: "e1" },
            { _tag: "Stdout", data: bytes("out") },
            { _tag: "Stderr", data: bytes("e") },
            { _tag: "Stdout", data: bytes("more") },
            { _tag: "Exited", code: 3 }
          )
          yield* Stream.runDrain(recording.events(events))
          // The time after its end does not count.
          yield* TestClock.adjust("7 seconds")
        })
      )
      assert.deepStrictEqual(records, [
        {
          action: "exec",
          run: "r1",
          command: ["df", "-h"],
          env: ["LEVEL", "EMPTY"],
          user: "app",
          privileged: false,
          tty: false,
          stdin: true,
          detach: false,
          target,
          route: "helper",
          start: "1970-01-01T00:00:00.000Z",
          end: "1970-01-01T00:00:02.000Z",
          outcome: { exitCode: 3 },
          bytes: { stdin: 5, stdout: 7, stderr: 1 }
        }
      ])
    })
  )

  it.effect("has exactly one outcome", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomeOf(Stream.make<[ExecEvent]>({ _tag: "Detached", execId: "e" })), [
        { detached: true }
      ])
      const output: ExecEvent = { _tag: "Stdout", data: bytes("x") }
      const stopped = Stream.concat(Stream.make(output), Stream.fail(new ContainerStopped({ container: "c" })))
      assert.deepStrictEqual(yield* outcomeOf(stopped), [{ error: "ContainerStopped" }])
      // The consumer has interrupted it.
      assert.deepStrictEqual(
        yield* outcomeOf(Stream.concat(Stream.make(output), Stream.fromEffect(Effect.interrupt))),
        [{ interrupted: true }]
      )
    })
  )

  it.effect("costs nothing without an observer", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const recording = yield* Scope.provide(recordRun(target, "local", spec), scope)
      yield* Stream.runDrain(recording.events(Stream.make<[ExecEvent]>({ _tag: "Exited", code: 0 })))
      yield* Scope.close(scope, Exit.void)
    })
  )

  const name = Arbitrary.schema(Schema.Literals(["A", "PASSWORD", "é", "a.b"]))
  const value = Arbitrary.map(Arbitrary.schema(Schema.String), (text) => `s3cret${text}`)
  it.prop("never contains the value of a variable", [name, value, value], ([variable, one, other]) => {
    const env = [`${variable}=${one}`, `B=${other}=${one}`]
    const record: AuditRecord = {
      ...describeSpec({ ...spec, env }),
      target,
      route: "local",
      start: "",
      end: "",
      outcome: { exitCode: 0 },
      bytes: { stdin: 0, stdout: 0, stderr: 0 }
    }
    const line = lineOf(record, undefined)
    assert.deepStrictEqual(record.env, [variable, "B"])
    assert.notInclude(line, "s3cret")
  })
})

describe("the record of a copy", () => {
  it.effect("has paths, bytes and result", () =>
    Effect.gen(function* () {
      const records = yield* recordsOf(
        Effect.gen(function* () {
          const recording = yield* recordCopy({ container: "c1" }, "local")
          yield* recording.touched("read", "/etc/passwd")
          yield* recording.count("out")(bytes("12345"))
          yield* recording.ended({ copied: true })
        })
      )
      const at = "1970-01-01T00:00:00.000Z"
      assert.deepStrictEqual(records, [
        {
          action: "copy",
          read: ["/etc/passwd"],
          written: [],
          target: { container: "c1" },
          route: "local",
          start: at,
          end: at,
          outcome: { copied: true },
          bytes: { out: 5, in: 0 }
        }
      ])
    })
  )
})
