/** Keeps the record of one run or one copy while it lasts. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import type { Route } from "../request/Via.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { Audit, type AuditOutcome, type AuditRecord, type AuditTarget, describeSpec } from "./Audit.ts"

/** The record of a running command. */
export interface RunRecording {
  /** Counts what goes in. */
  readonly input: (input: ExecInput) => ExecInput
  /** Counts what comes out, and sees how it ends. */
  readonly events: <E extends { readonly _tag: string }, R>(
    events: Stream.Stream<ExecEvent, E, R>
  ) => Stream.Stream<ExecEvent, E, R>
  /** Ended by an error that the events do not have. */
  readonly failed: (error: { readonly _tag: string }) => Effect.Effect<void>
}

/** The task as a record has it. */
export const targetOf = ({ container, id, name, node, service }: ResolvedTask): AuditTarget => ({
  service: service.name,
  task: name,
  taskId: id,
  node: node.hostname,
  container
})

/** Begins the record of a command. It is handed over when the scope closes: to be called before what ends the command. */
export const recordRun = Effect.fnUntraced(function* (
  target: AuditTarget,
  route: Route,
  spec: ExecSpec
): Effect.fn.Return<RunRecording, never, Scope.Scope> {
  const bytes = { stdin: 0, stdout: 0, stderr: 0 }
  const ended = yield* begin(({ end, outcome, start }) => ({
    ...describeSpec(spec),
    target,
    route,
    start,
    end,
    outcome,
    bytes
  }))
  const see = (event: ExecEvent) => {
    switch (event._tag) {
      case "Stdout":
      case "Stderr":
        bytes[event._tag === "Stdout" ? "stdout" : "stderr"] += event.data.length
        return Effect.void
      case "Exited":
        return ended({ exitCode: event.code })
      case "Detached":
        return ended({ detached: true })
      case "Started":
        return Effect.void
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
        Stream.tap(see),
        Stream.tapError((error: E) => failed(error))
      ),
    failed
  }
})

/** The record of a running copy. */
export interface CopyRecording {
  /** Files of this path are read, or written to. */
  readonly touched: (access: "read" | "written", path: string) => Effect.Effect<void>
  /** Counts bytes of an archive. */
  readonly count: (direction: "out" | "in") => (chunk: Uint8Array) => Effect.Effect<void>
  readonly ended: (outcome: AuditOutcome) => Effect.Effect<void>
}

/** The same for a copy. */
export const recordCopy = Effect.fnUntraced(function* (
  target: AuditTarget,
  route: Route
): Effect.fn.Return<CopyRecording, never, Scope.Scope> {
  const bytes = { out: 0, in: 0 }
  const paths = { read: [] as string[], written: [] as string[] }
  const ended = yield* begin(({ end, outcome, start }) => ({
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

/** Hands a record over when the scope closes; gives what tells how it ended. What is told last counts. */
const begin = Effect.fnUntraced(function* (
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
