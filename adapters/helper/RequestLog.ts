/**
 * The log of an agent: each request with its caller and its result. The log also proves the agent's key, and the next agent on the node
 * finds the commands in it that this agent left running.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { noticeInterval, noticeLine } from "../../src/agent/AgentLog.ts"
import type { AuditOutcome } from "../../src/audit/Audit.ts"
import { writeText } from "../Output.ts"
import { printable, toJson } from "../Printable.ts"

/** The part of a request that is logged. It has no values of environment variables. */
export interface LoggedRequest {
  readonly action: "exec" | "end" | "copy"
  /** The ID of the run, which the line about its end has, too. */
  readonly run: string
  readonly [detail: string]: unknown
}

/** The result of a request. `reported`: the caller received the kill results. */
export type RequestOutcome = AuditOutcome | { readonly reported: true }

/** Writes the log. */
export interface RequestLog {
  /** Logs the start of a request, before anything is done for it. Returns the function that logs its end. */
  readonly begin: (request: LoggedRequest) => Effect.Effect<(outcome: RequestOutcome) => Effect.Effect<void>, LogFailed>
  /** Logs a step of a request. */
  readonly note: (what: LoggedRequest) => Effect.Effect<void, LogFailed>
  /** Logs a refused connection: a few lines a minute, and the number of the others. */
  readonly refused: (why: string) => Effect.Effect<void>
  /** Logs a line of text. */
  readonly line: (text: string) => Effect.Effect<void>
  /** Logs the agent's key: the agent accepts callers from then on. */
  readonly announce: Effect.Effect<void, LogFailed>
  /** Logs that the agent accepts no new callers, and repeats that in its notices. */
  readonly retire: Effect.Effect<void>
}

/** The log can't be written. */
export class LogFailed extends Schema.TaggedError<LogFailed>()("LogFailed", { detail: Schema.String }) {
  override get message(): string {
    return `the agent cannot write its log: ${this.detail}`
  }
}

/** The most lines about refused connections in a minute. */
const mostRefusals = 20
const minute = 60_000

/** Makes the log of an agent with this key. Repeats the notice of the key often enough that a reader of the last lines finds it. */
export const makeRequestLog = (
  key: string,
  write: (text: string) => Effect.Effect<void, { readonly message: string }> = (text) => writeText(1, text)
): RequestLog => {
  const turn = Semaphore.makeUnsafe(1)
  let isRetired = false
  let since = 0
  let refusals = { from: 0, count: 0 }
  const notice = () => noticeLine({ key, isRetired })
  const put = (text: string) =>
    Effect.suspend(() => {
      since = (since + 1) % noticeInterval
      return write(since === 0 ? `${text}\n${notice()}` : `${text}\n`)
    }).pipe(
      Semaphore.withPermits(turn, 1),
      Effect.mapError(({ message }) => new LogFailed({ detail: message }))
    )
  const announce = Effect.suspend(() => write(notice())).pipe(
    Semaphore.withPermits(turn, 1),
    Effect.mapError(({ message }) => new LogFailed({ detail: message }))
  )
  const putRecord = (event: string, record: object) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      put(encodeRecord({ time: new Date(now).toISOString(), event, ...record }))
    )
  const line = (text: string) => Effect.ignore(put(`agent: ${printable(text)}`))

  return {
    line,
    announce,
    note: (what) => putRecord("note", what),
    begin: Effect.fnUntraced(function* (request) {
      const start = yield* Clock.currentTimeMillis
      yield* putRecord("begin", request)
      return (outcome: RequestOutcome) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.ignore(putRecord("end", { run: request.run, outcome, milliseconds: now - start }))
        )
    }),
    refused: (why) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (now - refusals.from >= minute) {
          const more = refusals.count - mostRefusals
          refusals = { from: now, count: 1 }
          return line(`refused ${why}${more > 0 ? `; ${more} more in the minute before` : ""}`)
        }
        refusals.count++
        return refusals.count > mostRefusals ? Effect.void : line(`refused ${why}`)
      }),
    retire: Effect.suspend(() => {
      isRetired = true
      return Effect.ignore(announce)
    })
  }
}

/** The most characters of a text and items of a list that are logged. Engines split lines at 16 KiB. */
const longestText = 200
const longestList = 20

const shortened = (value: unknown): unknown => {
  if (typeof value === "string") return value.length > longestText ? `${value.slice(0, longestText)}…` : value
  if (Array.isArray(value)) {
    const kept = value.slice(0, longestList).map(shortened)
    return value.length > longestList ? [...kept, `… ${value.length - longestList} more`] : kept
  }
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shortened(item)]))
}

/** Formats a record as one line. */
export const encodeRecord = (record: object): string => toJson(shortened(record))

/** A run whose start is in the log, and whose end is not. */
export interface OpenRun {
  readonly run: string
  readonly container: string
}

const Line = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({
      event: Schema.Literal("begin"),
      action: Schema.Literal("exec"),
      run: Schema.String.check(Schema.isPattern(/^[a-z0-9]{26}$/)),
      container: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
      detach: Schema.Boolean
    }),
    Schema.Struct({ event: Schema.Literal("end"), run: Schema.String })
  ])
)
const decodeLine = Schema.decodeUnknownResult(Line)

/**
 * Returns the commands in a log that had neither ended nor been detached when the log ended.
 */
export const openRuns = (log: string): ReadonlyArray<OpenRun> => {
  const open = new Map<string, OpenRun>()
  for (const text of log.split("\n")) {
    if (!text.startsWith("{")) continue
    const line = decodeLine(text)
    if (line._tag === "Failure") continue
    if (line.success.event === "end") open.delete(line.success.run)
    else if (!line.success.detach) open.set(line.success.run, line.success)
  }
  return [...open.values()]
}
