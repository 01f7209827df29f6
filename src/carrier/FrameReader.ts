/**
 * Reads a sender's frames from a log. The log may split the bytes anywhere, repeat lines after it is opened again, lose lines, and hold
 * lines that are no frames.
 */
import * as Result from "effect/Result"
import { Demux } from "../engine/Demux.ts"
import { isCutShort } from "../engine/LogRecords.ts"
import { type ChannelFrame, decodeLine, isEnd, maxPayload } from "./Frame.ts"
import { Unpacker } from "./Packed.ts"

/** The most characters of a line that are kept. No line of a sender is longer. */
const maxLine = maxPayload * 2
const maxNoise = 4096

/** The state of reading one sender's frames, between the chunks of the log. */
export class FrameReader {
  /** Whether the last frame has arrived: no other one follows. */
  complete = false
  /** Bytes of log that the accepted frames take. */
  bytes = 0
  /** Frames accepted so far. */
  accepted = 0
  /** Whether a frame was missing since the last {@link reopened}: the log must be read again. */
  gap = false
  /**
   * The last 4 KiB of other text in the log since the last {@link reopened}: the sender's standard error, the manager's errors, and
   * lines that are no frames.
   */
  noise = ""

  /** The number of commands whose end record has not arrived. */
  private left: number
  private origin: number | undefined
  private demux = new Demux()
  private rest = ""
  /** Keeps its pieces when the log is opened again: no frame is accepted twice. */
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
    this.noise = ""
  }

  /** Whether the managers could not read the log to its end. */
  get interrupted(): boolean {
    return isCutShort(this.noise)
  }

  /** The last line of {@link noise}, without frames. */
  get lastWords(): string {
    const lines = this.noise.split("\n").map((line) => line.trim())
    return (lines.findLast((line) => line !== "") ?? "").slice(0, 300)
  }

  /** Returns the frames that this chunk completes, each once and in order. Throws `DemuxError`. */
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
    // The sender numbered the damaged line: the number of the next good line shows the gap.
    if (Result.isFailure(decoded)) {
      this.addNoise(`${line}\n`)
      return
    }
    const { channel, frame, origin, seq } = decoded.success
    this.origin ??= origin
    // Another sender is a second helper that Swarm started. It runs no command; the frames of the first one count.
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

  private addNoise(text: string): void {
    this.noise = (this.noise + text).slice(-maxNoise)
  }
}
