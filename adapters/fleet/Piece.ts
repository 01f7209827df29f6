/** What a fan-out writes: bytes, and where they go. */

/** Bytes to be written; pieces keep their order. */
export interface Piece {
  readonly stream: "stdout" | "stderr"
  readonly bytes: Uint8Array
}
