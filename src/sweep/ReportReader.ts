/**
 * Takes the sweepers' reports from the log of their service. Every sweeper sends one JSON document as `Stdout` frames
 * and an `Exited` after it; the log mixes the lines of all of them, and the frames' origins tell them apart.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Demux } from "../engine/Demux.ts"
import { decodeLine, FrameWriter } from "../wire/Frame.ts"
import { Unpacker } from "../wire/Packed.ts"
import { NodeReport } from "./NodeSweep.ts"

/** No line of ours is longer; what is longer is not kept. */
const maxLine = 32 * 1024

const Document = Schema.fromJsonString(NodeReport)
const encodeReport = Schema.encodeSync(Document)
const decodeReport = Schema.decodeUnknownResult(Document)

/** The lines of a report; `origin` is a random number of its sender's own. */
export const reportLines = (origin: number, report: NodeReport): string => {
  const writer = new FrameWriter(origin)
  const data = new TextEncoder().encode(encodeReport(report))
  return writer.lines({ _tag: "Stdout", data }) + writer.lines({ _tag: "Exited", code: 0 })
}

interface Sender {
  next: number
  readonly pieces: Array<Uint8Array>
  readonly unpacker: Unpacker
}

/** One for each reading of the log from its beginning. Not an Effect: it only keeps the state between chunks. */
export class ReportReader {
  private readonly senders = new Map<number, Sender>()
  private readonly demux = new Demux()
  private readonly decoder = new TextDecoder()
  private rest = ""

  /** The reports that became complete with this chunk. Throws `DemuxError`. */
  push(chunk: Uint8Array): ReadonlyArray<NodeReport> {
    const reports: Array<NodeReport> = []
    for (const { channel, data } of this.demux.push(chunk)) {
      if (channel !== "stdout") continue
      const lines = (this.rest + this.decoder.decode(data, { stream: true })).split("\n")
      this.rest = (lines.pop() ?? "").slice(0, maxLine)
      for (const line of lines) {
        const report = this.take(line)
        if (report !== undefined) reports.push(report)
      }
    }
    return reports
  }

  private take(line: string): NodeReport | undefined {
    const decoded = decodeLine(line)
    if (Result.isFailure(decoded)) return undefined
    const { frame, origin, seq } = decoded.success
    const sender = this.senders.get(origin) ?? { next: 0, pieces: [], unpacker: new Unpacker() }
    this.senders.set(origin, sender)
    // After a gap nothing of this sender fits any more: the next reading may have it whole.
    if (seq !== sender.next) return undefined
    const whole = frame._tag === "Packed" ? sender.unpacker.take(frame) : frame
    if (whole === "Damaged") return undefined
    sender.next++
    if (whole?._tag === "Stdout") sender.pieces.push(whole.data)
    if (whole?._tag !== "Exited") return undefined
    const report = decodeReport(Buffer.concat(sender.pieces).toString("utf8"))
    return Result.isSuccess(report) ? report.success : undefined
  }
}
