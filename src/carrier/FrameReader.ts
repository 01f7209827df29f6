/**
 * Reads a sender's frames from a log. The log may split the bytes anywhere, repeat lines when it is opened again, lose lines, and contain
 * other text.
 */
import * as Result from "effect/Result"
import { Demux } from "../engine/Demux.ts"
import { isCutShort } from "../engine/LogRecords.ts"
import { type ChannelFrame, decodeLine, isEnd, maxPayload } from "./Frame.ts"
import { Unpacker } from "./Packed.ts"

/** The most characters of a line that are kept. Lines of senders are shorter. */
const maxLine = maxPayload * 2
/** The most characters of other text that are kept. */
const maxOtherText = 4096

/** Reads the frames of one sender, chunk by chunk. */
export class FrameReader {
  /** Whether the last frame has arrived. */
  complete = false
  /** The number of bytes of the accepted frames in the log. */
  bytes = 0
  /** The number of frames accepted so far. */
  accepted = 0
  /** Whether a frame was missing since the last {@link reopened}. Then the log must be read again. */
  gap = false
  /**
   * The last 4 KiB of other text in the log since the last {@link reopened}: the sender's stderr, errors of the managers, and lines that
   * are not frames.
   */
  otherText = ""

  /** The number of commands whose end record has not arrived. */
  private left: number
  private origin: number | undefined
  private demux = new Demux()
  private rest = ""
  /** Keeps its pieces when the log is opened again, because no frame is accepted twice. */
  private readonly unpacker = new Unpacker()
  private decoder = new TextDecoder()

  /** `commands`: the number of commands that the sender reports on. */
  constructor(commands = 1) {
    this.left = commands
  }

  /** Prepares for a log that is read again from its beginning. */
  reopened(): void {
    this.demux = new Demux()
    this.rest = ""
    this.decoder = new TextDecoder()
    this.gap = false
    this.otherText = ""
  }

  /** Whether the managers could not read the log to its end. */
  get interrupted(): boolean {
    return isCutShort(this.otherText)
  }

  /** The last line of {@link otherText}. */
  get lastOtherLine(): string {
    const lines = this.otherText.split("\n").map((line) => line.trim())
    return (lines.findLast((line) => line !== "") ?? "").slice(0, 300)
  }

  /** Returns the frames that this chunk completes, each once and in order. Throws `DemuxError`. */
  push(chunk: Uint8Array): ReadonlyArray<ChannelFrame> {
    const frames: Array<ChannelFrame> = []
    for (const { channel, data } of this.demux.push(chunk)) {
      if (channel !== "stdout") {
        this.addOtherText(new TextDecoder().decode(data))
        continue
      }
      const lines = (this.rest + this.decoder.decode(data, { stream: true })).split("\n")
      this.rest = (lines.pop() ?? "").slice(0, maxLine)
      for (const line of lines) this.take(line, frames)
    }
    return frames
  }

  private take(line: string, frames: Array<ChannelFrame>): void {
    const decoded = decodeLine(line)
    // A damaged line also had a number, so the number of the next valid line shows the gap.
    if (Result.isFailure(decoded)) {
      this.addOtherText(`${line}\n`)
      return
    }
    const { channel, frame, origin, seq } = decoded.success
    this.origin ??= origin
    // Another sender is a second helper that Swarm has started. It runs no command, so its frames are ignored.
    if (origin !== this.origin || this.complete || seq < this.accepted) return
    if (seq > this.accepted) {
      this.gap = true
      return
    }
    const whole = frame._tag === "Packed" ? this.unpacker.take(frame) : frame
    // A damaged frame counts as missing.
    if (whole === "Damaged") {
      this.gap = true
      return
    }
    this.accepted++
    this.bytes += line.length
    if (whole === undefined) return
    if (isEnd(whole)) this.left--
    this.complete = this.left === 0 || whole._tag === "Moved" || (isEnd(whole) && channel === 0)
    frames.push({ channel, frame: whole })
  }

  private addOtherText(text: string): void {
    this.otherText = (this.otherText + text).slice(-maxOtherText)
  }
}
