/**
 * The log of an agent as the proof of its key.
 *
 * Swarm's log broker accepts log lines from a node only under that node's ID (swarmkit, `manager/logbroker/broker.go`,
 * `PublishLogs`), and the managers write that ID before each line when they are asked for details. So a key that stands in the
 * log of a task, under the ID of the node that the task was given to, was published by that node.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Demux, DemuxError } from "../engine/Demux.ts"
import { type SwarmFailure, UnexpectedReply } from "../engine/EngineErrors.ts"
import { isCutShort, LogRecords } from "../engine/LogRecords.ts"
import { Swarm } from "../engine/Swarm.ts"

/** What an agent repeats in its log. */
export interface AgentNotice {
  /** The public half of its key pair. */
  readonly key: string
  /** It takes no new callers. */
  readonly isRetired: boolean
}

/** How many other lines stand between two notices. */
export const noticeInterval = 8
/** How many of the last lines are read: a notice is among them, also where the engine or Node wrote lines between ours. */
const tail = 5 * noticeInterval
/** Bytes that are read of them. A line has at most 16 KiB. */
const limit = 1024 * 1024
/** Bytes of the longest record that is looked at: a notice and the managers' details are far shorter. */
const maxRecord = 4096

/** Milliseconds between two looks for the notice of an agent that has just started: twice as many each time, up to a second. */
const firstPause = 50
const longestPause = 1000
/**
 * Milliseconds that one reading may take. One that begins while the task starts may never end: its node does not hear of it. While the
 * notice is waited for, each may take twice as long as the last, up to the longest: a node that was out of reach answers late.
 */
const readPatience = 2000
const longestPatience = 16_000
/** Milliseconds without a line after which all that a followed log had is there. */
const quietTime = 200

/** The line of a notice. */
export const noticeLine = ({ isRetired, key }: AgentNotice): string =>
  `agent key ${key}${isRetired ? " retired" : ""}\n`

const noticePattern = /^agent key ([A-Za-z0-9_-]{43})( retired)?\n?$/

/** Whose log it is. */
export interface LogOrigin {
  /** ID of the node. */
  readonly node: string
  /** ID of the task. */
  readonly task: string
}

/**
 * Finds the last notice in a log that was read with details. A line counts only as a whole record of its own: a line break
 * inside a record begins no other one. Throws `DemuxError` on bytes that are no such log.
 */
export const findNotice = (log: Uint8Array, origin: LogOrigin): AgentNotice | undefined => {
  let found: AgentNotice | undefined
  for (const { isError, node, task, text } of new LogRecords(maxRecord).push(log)) {
    if (isError || node !== origin.node || task !== origin.task) continue
    const match = noticePattern.exec(text)
    if (match?.[1] !== undefined) found = { key: match[1], isRetired: match[2] !== undefined }
  }
  return found
}

/** Reads the last lines of an agent's log. A followed log has no end: reading stops {@link quietTime} ms after its last line. */
const readLog = Effect.fnUntraced(function* ({ task }: LogOrigin, follow: boolean) {
  const { taskLogs } = yield* Swarm
  const log = yield* taskLogs(task, { follow, tail })
  const chunks: Array<Uint8Array> = []
  let left = limit
  const read = Stream.runForEachWhile(log, (chunk) =>
    Effect.sync(() => {
      chunks.push(chunk.subarray(0, left))
      left -= chunk.length
      return left > 0
    })
  )
  const quiet = Effect.gen(function* () {
    let before: number
    do {
      before = chunks.length
      yield* Effect.sleep(quietTime)
    } while (chunks.length !== before || before === 0)
  })
  yield* follow ? Effect.raceFirst(read, quiet) : read
  return Buffer.concat(chunks)
}, Effect.scoped)

const besideStdout = (log: Uint8Array): string =>
  new Demux()
    .push(log)
    .filter(({ channel }) => channel !== "stdout")
    .map(({ data }) => Buffer.from(data).toString())
    .join("")

const look = Effect.fnUntraced(function* (origin: LogOrigin, follow: boolean) {
  const { host } = yield* Swarm
  const log = yield* readLog(origin, follow)
  return yield* Effect.try({
    try: () => ({ notice: findNotice(log, origin), isCutShort: isCutShort(besideStdout(log)) }),
    catch: (error) => {
      if (!(error instanceof DemuxError)) throw error
      return new UnexpectedReply({ host, operation: `read the log of task ${origin.task}`, detail: error.message })
    }
  })
})

const lastNotice = Effect.fnUntraced(function* (origin: LogOrigin) {
  const whole = yield* look(origin, false)
  // Once a node was out of reach for 20 s, managers with engine 20.10 read none of its logs to the end until an engine restarts. They
  // still follow them.
  return (whole.isCutShort ? yield* look(origin, true) : whole).notice
})

/** Reads the last notice of an agent; `undefined` if it has none yet, or if its log can't be read within `patience` milliseconds. */
export const readNotice = (
  origin: LogOrigin,
  patience = readPatience
): Effect.Effect<AgentNotice | undefined, SwarmFailure, Swarm> =>
  Effect.timeoutOrElse(lastNotice(origin), { duration: patience, orElse: () => Effect.succeed(undefined) })

/** Waits for the first notice of an agent, for as long as it takes. */
export const awaitNotice = Effect.fnUntraced(function* (origin: LogOrigin) {
  let [pause, patience] = [firstPause, readPatience]
  while (true) {
    const found = yield* readNotice(origin, patience)
    if (found !== undefined) return found
    yield* Effect.sleep(pause)
    pause = Math.min(2 * pause, longestPause)
    patience = Math.min(2 * patience, longestPatience)
  }
})
