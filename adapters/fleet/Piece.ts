/** Output of a fan-out: bytes and their stream. */
import { printable } from "../Printable.ts"

/** Bytes to write. Pieces are written in order. */
export interface Piece {
  readonly stream: "stdout" | "stderr"
  readonly bytes: Uint8Array
}

/** A line of task-exec. All other bytes in a fan-out's output come from commands. */
export const ownLine = (stream: Piece["stream"], line: string): Piece => ({
  stream,
  bytes: Buffer.from(`${printable(line)}\n`)
})
