/** Collects the data of an audit record while a run or a copy lasts. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecEvent, ExecInput } from "../executor/ExecEvent.ts"
import type { ExecSpec } from "../executor/ExecSpec.ts"
import { tapSome } from "../internal/tapSome.ts"
import type { Route } from "../request/Via.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { Audit, type AuditOutcome, type AuditRecord, type AuditTarget, describeSpec } from "./Audit.ts"

/** The recording of a running command. */
export interface RunRecording {
  /** Counts the bytes of the input. */
  readonly input: (input: ExecInput) => ExecInput
  /** Counts the bytes of the output, and records how the command ends. */
  readonly events: <E extends { readonly _tag: string }, R>(
    events: Stream.Stream<ExecEvent, E, R>
  ) => Stream.Stream<ExecEvent, E, R>
  /** Records an error that does not arrive with the events. */
  readonly failed: (error: { readonly _tag: string }) => Effect.Effect<void>
}

/** Returns the target of a record. */
export const targetOf = ({ container, id, name, node, service }: ResolvedTask): AuditTarget => ({
  service: service.name,
  task: name,
  taskId: id,
  node: node.hostname,
  container
})

/**
 * Begins the record of a command. The record is passed to `Audit` when the scope closes. Call this before adding the finalizer that kills
 * the command, so that the record is complete.
 */
export const recordRun = Effect.fnUntraced(function* (
  target: AuditTarget,
  route: Route,
  spec: ExecSpec
): Effect.fn.Return<RunRecording, never, Scope.Scope> {
  const bytes = { stdin: 0, stdout: 0, stderr: 0 }
  const ended = yield* beginRecord(({ end, outcome, start }) => ({
    ...describeSpec(spec),
    target,
    route,
    start,
    end,
    outcome,
    bytes
  }))
  const observe = (event: ExecEvent) => {
    switch (event._tag) {
      case "Stdout":
      case "Stderr":
        bytes[event._tag === "Stdout" ? "stdout" : "stderr"] += event.data.length
        return undefined
      case "Exited":
        return ended({ exitCode: event.code })
      case "Detached":
        return ended({ detached: true })
      case "Started":
        return undefined
    }
  }
  const failed = ({ _tag }: { readonly _tag: string }) => ended({ error: _tag })
  return {
    input: ({ sizes, stdin }) => ({
      sizes,
      stdin: Stream.tap(stdin, (chunk) =>
        Effect.sync(() => {
          bytes.stdin += chunk.length
        })
      )
    }),
    events: <E extends { readonly _tag: string }, R>(events: Stream.Stream<ExecEvent, E, R>) =>
      events.pipe(
        tapSome(observe),
        Stream.tapError((error: E) => failed(error))
      ),
    failed
  }
})

/** The recording of a running copy. */
export interface CopyRecording {
  /** Records that files of this path are read or written. */
  readonly touched: (access: "read" | "written", path: string) => Effect.Effect<void>
  /** Counts bytes of an archive. */
  readonly count: (direction: "out" | "in") => (chunk: Uint8Array) => Effect.Effect<void>
  /** Records how the copy ended. */
  readonly ended: (outcome: AuditOutcome) => Effect.Effect<void>
}

/** Begins the record of a copy. The record is passed to `Audit` when the scope closes. */
export const recordCopy = Effect.fnUntraced(function* (
  target: AuditTarget,
  route: Route
): Effect.fn.Return<CopyRecording, never, Scope.Scope> {
  const bytes = { out: 0, in: 0 }
  const paths = { read: [] as string[], written: [] as string[] }
  const ended = yield* beginRecord(({ end, outcome, start }) => ({
    action: "copy",
    ...paths,
    target,
    route,
    start,
    end,
    outcome,
    bytes
  }))
  return {
    touched: (access, path) => Effect.sync(() => void paths[access].push(path)),
    count: (direction) => (chunk) =>
      Effect.sync(() => {
        bytes[direction] += chunk.length
      }),
    ended
  }
})

/** Passes a record to `Audit` when the scope closes. Returns the function that sets the outcome; the last call counts. */
const beginRecord = Effect.fnUntraced(function* (
  make: (known: { readonly start: string; readonly end: string; readonly outcome: AuditOutcome }) => AuditRecord
) {
  const audit = yield* Audit
  const start = yield* now
  let known: { readonly end: string; readonly outcome: AuditOutcome } | undefined
  if (audit !== undefined) {
    yield* Effect.addFinalizer(() =>
      Effect.flatMap(now, (end) => audit.record(make({ start, end, outcome: { interrupted: true }, ...known })))
    )
  }
  return (outcome: AuditOutcome) =>
    Effect.map(now, (end) => {
      known = { end, outcome }
    })
})

const now = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis).toISOString())
