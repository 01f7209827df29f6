/** The line of a terminal on which the cursor is, for what is shown for a while and leaves no trace. */
import { printable } from "../Printable.ts"

/** To be cleared before anything else is written to that terminal. */
export class LastLine {
  private readonly write: (text: string) => void
  private shown = ""

  constructor(write: (text: string) => void) {
    this.write = write
  }

  /** Shows that, which must be less wide than the terminal, in place of what was there. */
  show(text: string): void {
    if (text === this.shown) return
    this.write(`\r${printable(text)}\u001b[K`)
    this.shown = text
  }

  /** Ends it with a line that stays. */
  leave(text: string): void {
    this.clear()
    this.write(`${printable(text)}\n`)
  }

  /** Nothing is left of it. */
  clear(): void {
    this.show("")
  }
}
