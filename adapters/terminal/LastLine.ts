/** The terminal line that holds the cursor, for text that is shown temporarily and then erased. */
import { printable } from "../Printable.ts"

/** A terminal to draw on, and its clock in milliseconds. */
export interface Screen {
  readonly write: (text: string) => void
  readonly now: () => number
}

/** Clear it before other text is written to the terminal. */
export class LastLine {
  private readonly write: (text: string) => void
  private shown = ""

  constructor(write: (text: string) => void) {
    this.write = write
  }

  /** Replaces the line. The text must be narrower than the terminal. */
  show(text: string): void {
    if (text === this.shown) return
    this.write(`\r${printable(text)}\u001b[K`)
    this.shown = text
  }

  /** Replaces the line with one that stays. */
  leave(text: string): void {
    this.clear()
    this.write(`${printable(text)}\n`)
  }

  /** Erases the line. */
  clear(): void {
    this.show("")
  }
}
