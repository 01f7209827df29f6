/** The two parts of an error's message: what failed (`summary`), and the next step (`hint`). */

/** Joins the two parts: `cannot X on Y: cause. Do Z.` The cause may already end with a period. */
export const withHint = (summary: string, hint: string): string =>
  hint === "" ? summary : `${summary}${/[.?!]$/.test(summary) ? "" : "."} ${hint}`

/**
 * Returns the system's words for an error, without the code and the call of Node's message `ENOENT: no such file or directory, open '…'`.
 */
export const reasonOf = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  return /^E[A-Z]+: (.*?), \w+/.exec(text)?.[1] ?? text
}

/** Returns the message without the next step, for use in another message. */
export const summaryOf = (error: { readonly message: string; readonly summary?: string }): string =>
  error.summary ?? error.message
