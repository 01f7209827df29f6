/**
 * The log of an agent: who asked for what, and what became of it. The proof of the agent's key stands in it as well, and the next
 * agent on the node reads in it what this one left running.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { noticeInterval, noticeLine } from "../../src/agent/AgentLog.ts"
import type { AuditOutcome } from "../../src/audit/Audit.ts"
import { writeText } from "../Output.ts"
import { printable, toJson } from "../Printable.ts"

/** What is logged of a request: plain data. Values of environment variables have no place in it. */
export interface Begun {
  readonly action: "exec" | "end" | "copy"
  /** ID of the run, by which the line about its end is found. */
  readonly run: string
  readonly [detail: string]: unknown
}

/** How a request ended; `reported`: the caller was told what became of the commands that were to be ended. */
export type RequestOutcome = AuditOutcome | { readonly reported: true }

/** Writes the log. */
export interface RequestLog {
  /** Logs that a request is served from now on; gives what logs its end. Nothing may be done for a request that is not logged. */
  readonly begin: (request: Begun) => Effect.Effect<(outcome: RequestOutcome) => Effect.Effect<void>, LogFailed>
  /** Logs what is done for a request in between. */
  readonly note: (what: Begun) => Effect.Effect<void, LogFailed>
  /** Logs that a connection was sent away: a few lines a minute, and how many there were besides. */
  readonly refused: (why: string) => Effect.Effect<void>
  /** Logs a line of text. */
  readonly say: (text: string) => Effect.Effect<void>
  /** Logs the agent's key: it takes callers from now on. */
  readonly announce: Effect.Effect<void, LogFailed>
  /** Logs, and says from then on, that no new callers are taken. */
  readonly retire: Effect.Effect<void>
}

/** The log can't be written. */
export class LogFailed extends Schema.TaggedError<LogFailed>()("LogFailed", { detail: Schema.String }) {
  override get message(): string {
    return `the agent cannot write its log: ${this.detail}`
  }
}

/** Lines about connections that were sent away, in a minute. */
const mostRefusals = 20
const minute = 60_000

/** Makes the log of an agent with this key. The notice of the key is repeated before it could be out of sight. */
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
  const say = (text: string) => Effect.ignore(put(`agent: ${printable(text)}`))

  return {
    say,
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
          return say(`refused ${why}${more > 0 ? `; ${more} more in the minute before` : ""}`)
        }
        refusals.count++
        return refusals.count > mostRefusals ? Effect.void : say(`refused ${why}`)
      }),
    retire: Effect.suspend(() => {
      isRetired = true
      return Effect.ignore(announce)
    })
  }
}

/** Characters of a text, and items of a list, that are logged. A line stays far below 16 KiB, where engines cut it. */
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

/** A record on one line. */
export const encodeRecord = (record: object): string => toJson(shortened(record))

/** A run that the log has, as it began, and no end of. */
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
 * The commands in a log that were under way at its end. A command that ended, or was let go of, is none, whatever it left behind;
 * neither is one that was to go on from the start.
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
