/** The line of a terminal on which the cursor is, for what is shown for a while and leaves no trace. */

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
    this.write(`\r${text}\u001b[K`)
    this.shown = text
  }

  /** Nothing is left of it. */
  clear(): void {
    this.show("")
  }
}
