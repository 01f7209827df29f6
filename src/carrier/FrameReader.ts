/**
 * Puts a sender's frames together again from what a log gives back: any cut of the bytes, lines that come twice after
 * a log was opened again, lines that are missing, lines that are no frames.
 */
import * as Result from "effect/Result"
import { Demux } from "../engine/Demux.ts"
import { type ChannelFrame, decodeLine, isEnd, maxPayload } from "./Frame.ts"
import { Unpacker } from "./Packed.ts"

/** No line of ours is longer; what is longer is not kept. */
const maxLine = maxPayload * 2
const maxNoise = 4096

/** One for each sender. Not an Effect: it only keeps the state between chunks. */
export class FrameReader {
  /** Whether the sender's last record was seen: nothing follows it. */
  complete = false
  /** Bytes of the records that were accepted, as the log has them. */
  bytes = 0
  /** Frames accepted so far. */
  accepted = 0
  /** Whether, since the last {@link reopened}, a frame was missing: the log is to be read again. */
  gap = false
  /**
   * What else was in the log, since the last {@link reopened}: the sender's standard error, the manager's complaints, and
   * lines that are no frames; the last 4 KiB.
   */
  noise = ""

  /** How many commands have yet to end. */
  private left: number
  private origin: number | undefined
  private demux = new Demux()
  private rest = ""
  /** Keeps its pieces when the log is opened again: those are not accepted twice. */
  private readonly unpacker = new Unpacker()
  private decoder = new TextDecoder()

  /** `commands`: how many the sender reports on. */
  constructor(commands = 1) {
    this.left = commands
  }

  /** To be called before the first chunk of a log that was opened again from its beginning. */
  reopened(): void {
    this.demux = new Demux()
    this.rest = ""
    this.decoder = new TextDecoder()
    this.gap = false
    this.noise = ""
  }

  /** Whether the manager could not read the log to its end: it says so on the log's standard error. */
  get interrupted(): boolean {
    return /^error grabbing logs/im.test(this.noise)
  }

  /** The last of the {@link noise}, on one line. */
  get lastWords(): string {
    const lines = this.noise.split("\n").map((line) => line.trim())
    return (lines.findLast((line) => line !== "") ?? "").slice(0, 300)
  }

  /** The frames that became complete with this chunk, each once and in order. Throws `DemuxError`. */
  push(chunk: Uint8Array): ReadonlyArray<ChannelFrame> {
    const frames: Array<ChannelFrame> = []
    for (const { channel, data } of this.demux.push(chunk)) {
      if (channel !== "stdout") {
        this.addNoise(new TextDecoder().decode(data))
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
    // A damaged line is one that the sender numbered: the next good one shows the gap.
    if (Result.isFailure(decoded)) {
      this.addNoise(`${line}\n`)
      return
    }
    const { channel, frame, origin, seq } = decoded.success
    this.origin ??= origin
    // Of another sender: Swarm started a second helper. It refuses to run anything, the first one's word counts.
    if (origin !== this.origin || this.complete || seq < this.accepted) return
    if (seq > this.accepted) {
      this.gap = true
      return
    }
    const whole = frame._tag === "Packed" ? this.unpacker.take(frame) : frame
    // As a damaged line, it counts as missing.
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

  private addNoise(text: string): void {
    this.noise = (this.noise + text).slice(-maxNoise)
  }
}
