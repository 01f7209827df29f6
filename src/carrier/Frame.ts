/**
 * The frames that an executor on another node sends to its caller, and their encoding as lines of a log.
 *
 * A line is base64 and shorter than 16 KiB, because every log driver keeps such lines unchanged: `json-file` replaces invalid UTF-8, and
 * engines split lines at 16 KiB. The base64 encodes:
 *
 *     origin  u32  a random number that identifies the sender, so that frames of two senders are never mixed
 *     seq     u32  0, 1, 2, … for each sender, to find missing and repeated frames
 *     channel u16  the number of the command: 1, 2, …; 0: all commands
 *     kind    u8
 *     payload      bytes of output, packed bytes of output, or a JSON document
 *     crc     u32  CRC-32 of everything before it
 */

import { crc32 } from "node:zlib"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { maxBlock, type Packed, Packer } from "./Packed.ts"

/** The most output in one frame, in bytes: 9 KiB become a line of 12,308 characters. */
export const maxPayload = 9 * 1024

/** The first frame of every sender: the sender runs, and has read its request. */
export const Hello = Schema.TaggedStruct("Hello", {
  /** The sender's version of the wire protocol. */
  protocol: Schema.Int,
  /** The sender's version of task-exec. */
  version: Schema.String
})

/** The engine accepted the exec and the command runs. */
export const Started = Schema.TaggedStruct("Started", { execId: Schema.String })

/** Bytes that the command wrote to its standard output. */
export const Stdout = Schema.TaggedStruct("Stdout", { data: Schema.Uint8Array })

/** Bytes that the command wrote to its standard error. */
export const Stderr = Schema.TaggedStruct("Stderr", { data: Schema.Uint8Array })

/** End record: the engine reported this exit code, and all output was sent before. */
export const Exited = Schema.TaggedStruct("Exited", { code: Schema.Int })

/** End record: the command has started, and the caller does not wait for its end. */
export const Detached = Schema.TaggedStruct("Detached", { execId: Schema.String })

/** The response to a `SendSignal`. `killResult`: an encoded `KillResult`. */
export const Signalled = Schema.TaggedStruct("Signalled", { id: Schema.Int, killResult: Schema.Unknown })

/** End record: the commands have ended, or could not be killed. `killResults`: encoded `KillResult`s, in the order of the request. */
export const Ended = Schema.TaggedStruct("Ended", { killResults: Schema.Array(Schema.Unknown) })

/** End record: the command could not be run, or its outcome is unknown. `error`: an encoded `RemoteError`. */
export const Failed = Schema.TaggedStruct("Failed", { error: Schema.Unknown })

/** The sender's listener waits for the caller at this address on the overlay network. */
export const Reachable = Schema.TaggedStruct("Reachable", { address: Schema.String })

/** The sender's node can't join one of the request's networks. The sender tries the next one. */
export const Unreachable = Schema.TaggedStruct("Unreachable", { reason: Schema.String })

/** The last frame of a log: all later frames travel over the tunnel. */
export const Moved = Schema.TaggedStruct("Moved", {})

/** One message of the wire protocol. */
export type Frame =
  | typeof Reachable.Type
  | typeof Unreachable.Type
  | typeof Moved.Type
  | typeof Hello.Type
  | typeof Started.Type
  | typeof Stdout.Type
  | typeof Stderr.Type
  | typeof Exited.Type
  | typeof Detached.Type
  | typeof Signalled.Type
  | typeof Ended.Type
  | typeof Failed.Type

/** Whether a frame is an end record: no frame about its command follows. */
export const isEnd = (frame: Frame): boolean =>
  frame._tag === "Exited" || frame._tag === "Detached" || frame._tag === "Ended" || frame._tag === "Failed"

/** A frame with its sender, its number in the sender's sequence, and its channel. */
export interface NumberedFrame {
  readonly origin: number
  readonly seq: number
  readonly channel: number
  readonly frame: Frame | Packed
}

/** A frame and the number of its command: 1, 2, …; 0: all commands. */
export interface ChannelFrame {
  readonly channel: number
  readonly frame: Frame
}

/**
 * The version of the wire protocol. A caller refuses a sender of another version, and names both versions. Older versions cannot be
 * used:
 * - 1 has no policies, and would run commands that a policy forbids;
 * - 2: all agents share one key;
 * - 3: helpers join their tunnel's network from the start;
 * - 4 has no toolboxes, and would run their commands in the task's own container;
 * - 5 has no actions, and would run their words as commands. It has no one-off tasks and no forwarded ports;
 * - 6 names a kill result `ending`.
 */
export const protocolVersion = 7

/** The line is not a complete frame: it is cut off, altered, or the text of another program. */
export class FrameDamaged extends Schema.TaggedError<FrameDamaged>()("FrameDamaged", {
  /** The defect. */
  detail: Schema.String,
  /** The first characters of the line, for the message. */
  line: Schema.String
}) {
  override get message(): string {
    return `damaged frame (${this.detail}): ${JSON.stringify(this.line)}`
  }
}

const kinds = {
  Hello: 1,
  Started: 2,
  Stdout: 3,
  Stderr: 4,
  Exited: 5,
  Failed: 6,
  Detached: 7,
  Ended: 8,
  Signalled: 9,
  Reachable: 13,
  Moved: 14,
  Unreachable: 15
} as const
const packedKinds = { More: 10, Stdout: 11, Stderr: 12 } as const
const headerBytes = 11
const crcBytes = 4

const Document = Schema.Union([
  Hello,
  Started,
  Exited,
  Detached,
  Signalled,
  Ended,
  Failed,
  Reachable,
  Unreachable,
  Moved
])

/** Encodes a frame other than output as JSON. */
export const encodeDocument = Schema.encodeSync(Schema.fromJsonString(Document))

/** Decodes a frame other than output. */
export const decodeDocument = Schema.decodeUnknownResult(Schema.fromJsonString(Document))

const payloadOf = (frame: Frame | Packed): Uint8Array =>
  frame._tag === "Stdout" || frame._tag === "Stderr" || frame._tag === "Packed"
    ? frame.data
    : new TextEncoder().encode(encodeDocument(frame))

/** Encodes a frame as a line, with its newline. Output must not be longer than {@link maxPayload}. */
export const encodeLine = ({ channel, frame, origin, seq }: NumberedFrame): string => {
  const payload = payloadOf(frame)
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length + crcBytes)
  bytes.writeUInt32BE(origin, 0)
  bytes.writeUInt32BE(seq, 4)
  bytes.writeUInt16BE(channel, 8)
  bytes.writeUInt8(frame._tag === "Packed" ? packedKinds[frame.of] : kinds[frame._tag], 10)
  bytes.set(payload, headerBytes)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, headerBytes + payload.length)), headerBytes + payload.length)
  return `${bytes.toString("base64")}\n`
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/

/** Decodes a line (without its newline). Fails with `FrameDamaged`. */
export const decodeLine = (line: string): Result.Result<NumberedFrame, FrameDamaged> => {
  const damaged = (detail: string) => Result.fail(new FrameDamaged({ detail, line: line.slice(0, 60) }))
  if (line.length % 4 !== 0 || !base64.test(line)) return damaged("not base64")
  const bytes = Buffer.from(line, "base64")
  // The last character before the padding has unused bits. If they are set, the line is damaged, which the checksum does not show.
  if (line.endsWith("=") && bytes.toString("base64") !== line) return damaged("not canonical base64")
  const end = bytes.length - crcBytes
  if (end < headerBytes) return damaged("too short")
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) return damaged("checksum differs")
  const numbered = { origin: bytes.readUInt32BE(0), seq: bytes.readUInt32BE(4), channel: bytes.readUInt16BE(8) }
  const kind = bytes.readUInt8(10)
  const payload = bytes.subarray(headerBytes, end)
  if (kind === kinds.Stdout) return Result.succeed({ ...numbered, frame: { _tag: "Stdout", data: payload } })
  if (kind === kinds.Stderr) return Result.succeed({ ...numbered, frame: { _tag: "Stderr", data: payload } })
  for (const name of ["More", "Stdout", "Stderr"] as const) {
    if (kind !== packedKinds[name]) continue
    return Result.succeed({ ...numbered, frame: { _tag: "Packed", of: name, data: payload } })
  }
  const document = decodeDocument(payload.toString("utf8"))
  if (Result.isFailure(document)) return damaged("unknown document")
  if (kinds[document.success._tag] !== kind) return damaged("kind differs from document")
  return Result.succeed({ ...numbered, frame: document.success })
}

/**
 * Numbers frames and encodes them as lines. Compresses output if that saves bytes, and splits it into pieces of {@link maxPayload}. Each
 * sender has a writer of its own, with its own `origin`.
 */
export class FrameWriter {
  private seq = 0
  private readonly origin: number
  /** The packer of each stream of each command. */
  private readonly packers = new Map<string, Packer>()
  constructor(origin: number) {
    this.origin = origin
  }

  /** Returns the lines of one frame: several if its output does not fit into one line. `channel`: see {@link ChannelFrame}. */
  lines(frame: Frame, channel = 0): string {
    if (frame._tag !== "Stdout" && frame._tag !== "Stderr") return this.line(frame, channel)
    let text = ""
    for (let at = 0; at < frame.data.length; at += maxBlock) {
      text += this.block(frame._tag, frame.data.subarray(at, at + maxBlock), channel)
    }
    return text
  }

  private block(_tag: "Stdout" | "Stderr", output: Uint8Array, channel: number): string {
    const packed = this.packer(`${channel} ${_tag}`).pack(output)
    const bytes = packed ?? output
    let text = ""
    for (let at = 0; at < bytes.length; at += maxPayload) {
      const data = bytes.subarray(at, at + maxPayload)
      const of = at + maxPayload < bytes.length ? "More" : _tag
      text += this.line(packed === undefined ? { _tag, data } : { _tag: "Packed", of, data }, channel)
    }
    return text
  }

  private packer(stream: string): Packer {
    const known = this.packers.get(stream)
    if (known !== undefined) return known
    const packer = new Packer()
    this.packers.set(stream, packer)
    return packer
  }

  private line(frame: Frame | Packed, channel: number): string {
    return encodeLine({ origin: this.origin, seq: this.seq++, channel, frame })
  }
}
