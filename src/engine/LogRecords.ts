/**
 * Reads whole records, with their origin, from a service's log with details (engine API, `details=true`).
 *
 * Before the text of a record, the managers write the ID of the node that published it. swarmkit's log broker accepts records from a node
 * only under that node's ID (`manager/logbroker/broker.go`, `PublishLogs`). So the origin of a whole record is certain; that of a line
 * within a record is not.
 */
import { DemuxError } from "./Demux.ts"

/** A record of a log. */
export interface LogRecord {
  /** ID of the node that published the record. */
  readonly node: string
  /** ID of the task that wrote the record; `undefined` if the managers report none. */
  readonly task: string | undefined
  readonly isError: boolean
  readonly text: string
}

/** Whether the managers could not read a log to its end. `text`: the log without its stdout, where the managers report that. */
export const isCutShort = (text: string): boolean => /^error grabbing logs/im.test(text)

const headerBytes = 8
const nodeKey = "com.docker.swarm.node.id"
const taskKey = "com.docker.swarm.task.id"

/** Reads the records of one log, chunk by chunk. */
export class LogRecords {
  private readonly longest: number
  private pending: Buffer = Buffer.alloc(0)
  /** Remaining bytes of a record that is too long. */
  private skipped = 0

  /** Skips records of more than `longest` bytes. */
  constructor(longest: number) {
    this.longest = longest
  }

  /** Returns the records that are complete with this chunk. Throws `DemuxError` on invalid bytes. */
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
    // A copy: a view would keep the whole chunk in memory.
    this.pending = Buffer.from(bytes.subarray(at))
    return records
  }
}

/**
 * Returns the value of a detail. Details are `key=value`, separated by commas, URL-encoded (moby, `attrsByteSlice`). They include
 * attributes from the node. If one of these imitates an attribute of the managers, the key occurs twice, and both are ignored.
 */
const valueOf = (details: ReadonlyArray<string>, key: string): string | undefined => {
  const [first, ...others] = details.filter((detail) => detail.startsWith(`${key}=`))
  return others.length === 0 ? first?.slice(key.length + 1) : undefined
}
