/** What a fan-out writes: bytes, and where they go. */
import { printable } from "../Printable.ts"

/** Bytes to be written; pieces keep their order. */
export interface Piece {
  readonly stream: "stdout" | "stderr"
  readonly bytes: Uint8Array
}

/** A line of our own; all other bytes of a fan-out's output are those of commands, and `Lines` puts labels in front of them. */
export const ownLine = (stream: Piece["stream"], line: string): Piece => ({
  stream,
  bytes: Buffer.from(`${printable(line)}\n`)
})
