/**
 * Reads an agent's public key from its log, which proves that the key belongs to the agent.
 *
 * Swarm's log broker accepts log lines from a node only under that node's ID (swarmkit, `manager/logbroker/broker.go`, `PublishLogs`). With
 * `details`, the managers write that ID before each line. So a key in the log of a task, under the ID of the task's node, was published by
 * that node.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Demux, DemuxError } from "../engine/Demux.ts"
import { type SwarmFailure, UnexpectedReply } from "../engine/EngineErrors.ts"
import { isCutShort, LogRecords } from "../engine/LogRecords.ts"
import { Swarm } from "../engine/Swarm.ts"

/** The notice that an agent repeats in its log. */
export interface AgentNotice {
  /** The public half of its key pair. */
  readonly key: string
  /** Whether the agent no longer accepts new callers. */
  readonly isRetired: boolean
}

/** The number of other lines between two notices. */
export const noticeInterval = 8
/** The number of last lines to read. They include a notice even if the engine or Node wrote some of the lines. */
const tail = 5 * noticeInterval
/** The most bytes of these lines. A line has at most 16 KiB. */
const limit = 1024 * 1024
/** The most bytes of a record. A notice with the managers' details is far shorter, so longer records are skipped. */
const maxRecord = 4096

/** The pause between two searches for the notice of an agent that has just started, in milliseconds. It doubles up to `longestPause`. */
const firstPause = 50
const longestPause = 1000
/**
 * The timeout of one search, in milliseconds. A search that begins while the task starts may never end, because the request does not reach the
 * node. In a wait for the notice, the timeout doubles up to `longestReadTimeout`, because a node that was unreachable responds late.
 */
const readTimeout = 2000
const longestReadTimeout = 16_000
/** Milliseconds without a new line after which a followed log is taken as complete. */
const quietTime = 200

/** Returns the log line of a notice. */
export const noticeLine = ({ isRetired, key }: AgentNotice): string =>
  `agent key ${key}${isRetired ? " retired" : ""}\n`

const noticePattern = /^agent key ([A-Za-z0-9_-]{43})( retired)?\n?$/

/** The task whose log is read. */
export interface LogOrigin {
  /** ID of the task's node. */
  readonly node: string
  /** ID of the task. */
  readonly task: string
}

/**
 * Finds the last notice in a log that was read with details. A notice must be a whole record: text after a line break inside a record does
 * not count. Throws `DemuxError` if the bytes are not a multiplexed log.
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

/** Reads the last lines of an agent's log. A followed log has no end, so reading stops {@link quietTime} ms after its last line. */
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

const searchLog = Effect.fnUntraced(function* (origin: LogOrigin, follow: boolean) {
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
  const whole = yield* searchLog(origin, false)
  // After a node was unreachable for 20 s, managers with engine 20.10 can't read its logs to the end until an engine restarts. They can
  // still follow them.
  return (whole.isCutShort ? yield* searchLog(origin, true) : whole).notice
})

/** Returns the last notice of an agent; `undefined` if there is none yet, or if the log can't be read within `timeout` milliseconds. */
export const readNotice = (
  origin: LogOrigin,
  timeout = readTimeout
): Effect.Effect<AgentNotice | undefined, SwarmFailure, Swarm> =>
  Effect.timeoutOrElse(lastNotice(origin), { duration: timeout, orElse: () => Effect.succeed(undefined) })

/** Waits for the first notice of an agent, without a timeout. */
export const awaitNotice = Effect.fnUntraced(function* (origin: LogOrigin) {
  let [pause, timeout] = [firstPause, readTimeout]
  while (true) {
    const found = yield* readNotice(origin, timeout)
    if (found !== undefined) return found
    yield* Effect.sleep(pause)
    pause = Math.min(2 * pause, longestPause)
    timeout = Math.min(2 * timeout, longestReadTimeout)
  }
})
