/**
 * Takes whole records out of a service's log that was read with details (engine API, `details=true`): whose they are, and their text.
 *
 * The managers name the node that published a record before its text. swarmkit's log broker accepts records from a node only under
 * that node's ID (`manager/logbroker/broker.go`, `PublishLogs`), so a record proves its node; a line within it proves nothing.
 */
import { DemuxError } from "./Demux.ts"

/** One record. */
export interface LogRecord {
  /** ID of the node that published it. */
  readonly node: string
  /** ID of the task whose log it is in; undefined where the managers name none. */
  readonly task: string | undefined
  readonly isError: boolean
  readonly text: string
}

/** Whether managers could not read a log to its end: the log itself reports that, in `text`, which is what it has beside stdout. */
export const isCutShort = (text: string): boolean => /^error grabbing logs/im.test(text)

const headerBytes = 8
const nodeKey = "com.docker.swarm.node.id"
const taskKey = "com.docker.swarm.task.id"

/** One for each reading. Not an Effect: it only keeps the state between chunks. */
export class LogRecords {
  private readonly longest: number
  private pending: Buffer = Buffer.alloc(0)
  /** Bytes of a record that is too long, which are still to come. */
  private skipped = 0

  /** Records of more bytes than `longest` are left out. */
  constructor(longest: number) {
    this.longest = longest
  }

  /** The records that became complete with this chunk. Throws `DemuxError` on bytes that are no log. */
  push(chunk: Uint8Array): ReadonlyArray<LogRecord> {
    const records: Array<LogRecord> = []
    const bytes = Buffer.concat([this.pending, chunk])
    let at = Math.min(this.skipped, bytes.length)
    this.skipped -= at
    while (at + headerBytes <= bytes.length) {
      const channel = bytes.readUInt8(at)
      const length = bytes.readUInt32BE(at + 4)
      if (channel > 3 || bytes.readUIntBE(at + 1, 3) !== 0) throw new DemuxError("not a record of the engine's stream")
      const end = at + headerBytes + length
      if (length > this.longest) {
        this.skipped = Math.max(0, end - bytes.length)
        at = Math.min(end, bytes.length)
        continue
      }
      if (end > bytes.length) break
      const record = bytes.toString("utf8", at + headerBytes, end)
      const blank = record.indexOf(" ")
      const details = record.slice(0, blank).split(",")
      const node = valueOf(details, nodeKey)
      const task = valueOf(details, taskKey)
      if (node !== undefined) records.push({ node, task, isError: channel !== 1, text: record.slice(blank + 1) })
      at = end
    }
    // A copy: what is left of a chunk would keep all of it.
    this.pending = Buffer.from(bytes.subarray(at))
    return records
  }
}

/**
 * The details are `key=value` with commas between, both encoded as in a URL (moby, `attrsByteSlice`). Among them are attributes that the
 * node sent along: where one of them poses as the managers' own, there are two, and neither is believed.
 */
const valueOf = (details: ReadonlyArray<string>, key: string): string | undefined => {
  const [one, ...more] = details.filter((detail) => detail.startsWith(`${key}=`))
  return more.length === 0 ? one?.slice(key.length + 1) : undefined
}
