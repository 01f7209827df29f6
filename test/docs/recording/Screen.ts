/** Turns the output of a program on a terminal into frames. */
import xterm, { type IBufferCell } from "@xterm/headless"

/** Bytes that a program wrote to its terminal. */
export interface Written {
  /** Milliseconds since the start of the recording. */
  readonly at: number
  readonly bytes: Uint8Array
}

/** Adjacent characters with the same look. */
export interface Span {
  readonly column: number
  readonly text: string
  /** One of the terminal's sixteen colors; without one, its default color. */
  readonly color?: number
  readonly bold?: true
  readonly dim?: true
  readonly inverse?: true
}

/** The content of the screen from `at` (milliseconds) on: its rows, from the top. */
export interface Frame {
  readonly at: number
  readonly rows: ReadonlyArray<ReadonlyArray<Span>>
}

/** A terminal's size, in characters. */
export interface Size {
  readonly columns: number
  readonly rows: number
}

/** Changes closer together than this, in milliseconds, make one frame. */
const blink = 20

/** Cuts each pause to at most `longest` milliseconds. */
export const shortened = (written: ReadonlyArray<Written>, longest: number): ReadonlyArray<Written> => {
  let before = 0
  let now = 0
  return written.map(({ at, bytes }) => {
    now += Math.min(at - before, longest)
    before = at
    return { at: now, bytes }
  })
}

/** Cuts pauses, the longest ones first, until the recording takes at most `length` milliseconds. */
export const fitted = (written: ReadonlyArray<Written>, length: number): ReadonlyArray<Written> => {
  for (let longest = 1000; longest > 10; longest *= 0.95) {
    const cut = shortened(written, longest)
    if ((cut.at(-1)?.at ?? 0) <= length) return cut
  }
  throw new Error(`the recording is longer than ${length} ms without its pauses`)
}

/** Plays the bytes on a terminal of this size. */
export const framesOf = async (written: ReadonlyArray<Written>, size: Size): Promise<ReadonlyArray<Frame>> => {
  const terminal = new xterm.Terminal({ cols: size.columns, rows: size.rows, allowProposedApi: true })
  const frames: Array<Frame> = []
  for (const [index, { at, bytes }] of written.entries()) {
    await new Promise<void>((done) => terminal.write(bytes, done))
    const next = written[index + 1]
    if (next === undefined || next.at - at > blink) frames.push({ at, rows: rowsOf(terminal, size) })
  }
  terminal.dispose()
  return frames
}

const rowsOf = (terminal: xterm.Terminal, { columns, rows }: Size) => {
  const buffer = terminal.buffer.active
  return Array.from({ length: rows }, (_, row) => {
    const line = buffer.getLine(buffer.viewportY + row)
    const spans: Array<Span & { text: string }> = []
    for (let column = 0; column < columns; column++) {
      const cell = line?.getCell(column)
      if (cell === undefined) break
      const text = cell.getChars() || " "
      const look = lookOf(cell)
      const last = spans.at(-1)
      if (last !== undefined && last.column + last.text.length === column && isAlike(last, look)) last.text += text
      else spans.push({ column, text, ...look })
    }
    return spans
      .map((span) => (span.inverse === true ? span : { ...span, text: span.text.trimEnd() }))
      .filter(({ text }) => text !== "")
  })
}

type Look = Omit<Span, "column" | "text">

const lookOf = (cell: IBufferCell): Look => ({
  ...(cell.isFgPalette() && cell.getFgColor() < 16 ? { color: cell.getFgColor() } : {}),
  ...(cell.isBold() ? { bold: true } : {}),
  ...(cell.isDim() ? { dim: true } : {}),
  ...(cell.isInverse() ? { inverse: true } : {})
})

const isAlike = (one: Look, other: Look): boolean =>
  one.color === other.color && one.bold === other.bold && one.dim === other.dim && one.inverse === other.inverse
