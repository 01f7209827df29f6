/** Output of a fan-out: bytes, their stream, and the name of their task. */
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
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

/** The name of a task in the output, on one line: `web.2@node-1`, `agent@node-1`. */
export const labelOf = ({ name, node, slot }: ResolvedTask): string =>
  printable(slot === undefined ? name : `${name}@${node.hostname}`)
