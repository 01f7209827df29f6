/**
 * Reads the sweepers' reports from the log of their service. Every sweeper sends one JSON document as `Stdout` frames, followed by
 * `Exited`. The log mixes the lines of all sweepers. The origins of the frames distinguish them.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeLine, FrameWriter } from "../carrier/Frame.ts"
import { Unpacker } from "../carrier/Packed.ts"
import { LogRecords } from "../engine/LogRecords.ts"
import { NodeReport } from "./NodeSweep.ts"

/** The most bytes of a line. Longer lines are dropped, because sweepers do not write them. */
const maxLine = 32 * 1024
/** The most bytes of a report. */
const maxReport = 8 * 1024 * 1024
/** The most senders on a node. Swarm may start a second sweeper, rarely a third. */
const maxSenders = 4

const Document = Schema.fromJsonString(NodeReport)
const encodeReport = Schema.encodeSync(Document)
const decodeReport = Schema.decodeUnknownResult(Document)

/** Encodes a report as lines of the log. `origin`: a random number that identifies the sender. */
export const reportLines = (origin: number, report: NodeReport): string => {
  const writer = new FrameWriter(origin)
  const data = new TextEncoder().encode(encodeReport(report))
  return writer.lines({ _tag: "Stdout", data }) + writer.lines({ _tag: "Exited", code: 0 })
}

/** The frames of one sender so far. */
interface Sender {
  /** The number of the next frame. */
  next: number
  bytes: number
  readonly pieces: Array<Uint8Array>
  readonly unpacker: Unpacker
}

/**
 * Reads the log from its start, with details. A report counts only if all of it was published by the node that it describes.
 */
export class ReportReader {
  /** The senders by node ID, then by origin. */
  private readonly nodes = new Map<string, Map<number, Sender>>()
  private readonly records = new LogRecords(maxLine)

  /** Returns the reports that are complete with this chunk. Throws `DemuxError`. */
  push(chunk: Uint8Array): ReadonlyArray<NodeReport> {
    const reports: Array<NodeReport> = []
    for (const { isError, node, text } of this.records.push(chunk)) {
      const report = isError ? undefined : this.take(node, text.replace(/\r?\n$/, ""))
      if (report?.node === node) reports.push(report)
    }
    return reports
  }

  private take(node: string, line: string): NodeReport | undefined {
    const decoded = decodeLine(line)
    if (Result.isFailure(decoded)) return undefined
    const { frame, origin, seq } = decoded.success
    const sender = this.senderOf(node, origin)
    // A report with a gap is useless. When the log is read again, it may have no gap.
    if (sender === undefined || seq !== sender.next) return undefined
    const whole = frame._tag === "Packed" ? sender.unpacker.take(frame) : frame
    if (whole === "Damaged") return undefined
    sender.next++
    if (whole?._tag === "Stdout" && sender.bytes + whole.data.length <= maxReport) {
      sender.bytes += whole.data.length
      sender.pieces.push(whole.data)
    }
    if (whole?._tag !== "Exited") return undefined
    const report = decodeReport(Buffer.concat(sender.pieces).toString("utf8"))
    return Result.isSuccess(report) ? report.success : undefined
  }

  private senderOf(node: string, origin: number): Sender | undefined {
    const senders = this.nodes.get(node) ?? new Map<number, Sender>()
    this.nodes.set(node, senders)
    const known = senders.get(origin)
    if (known !== undefined || senders.size >= maxSenders) return known
    const sender: Sender = { next: 0, bytes: 0, pieces: [], unpacker: new Unpacker() }
    senders.set(origin, sender)
    return sender
  }
}
