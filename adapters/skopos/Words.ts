/** Splits a command line into words as a POSIX shell does, and does nothing else that a shell does. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A quote was opened and not closed. The text itself is not told: it may hold a secret. */
export class UnclosedQuote extends Schema.TaggedError<UnclosedQuote>()("UnclosedQuote", {
  quote: Schema.Literals(["'", '"']),
  /** Where it was opened: 1 is the text's first character. */
  position: Schema.Int
}) {
  override get message(): string {
    return `unclosed ${this.quote} at character ${this.position}`
  }
}

/** What separates words. A newline does too: nothing here ends a command. */
const blank = " \t\n"

/** What a backslash takes its meaning from, inside double quotes. */
const escapable = '$`"\\'

/**
 * The words of a command line: blanks separate, `'…'` is literal, in `"…"` a backslash escapes `$`, `` ` ``, `"` and `\`,
 * elsewhere it escapes anything, and before a newline it removes both (POSIX.1, Shell Command Language, 2.2 and 2.3).
 *
 * Nothing is expanded, and nothing is an operator or a comment: `$HOME`, `*`, `;`, `|`, `>` and `#` are characters like
 * others. For a shell, run one: `sh -c '…'`.
 */
export const splitWords = (text: string): Result.Result<ReadonlyArray<string>, UnclosedQuote> => {
  const words: Array<string> = []
  /** `undefined` between words: an empty pair of quotes makes a word too. */
  let word: string | undefined
  let at = 0
  while (at < text.length) {
    const char = text.charAt(at)
    if (blank.includes(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
      at++
    } else if (char === "'") {
      const end = text.indexOf("'", at + 1)
      if (end < 0) return Result.fail(new UnclosedQuote({ quote: "'", position: at + 1 }))
      word = (word ?? "") + text.slice(at + 1, end)
      at = end + 1
    } else if (char === '"') {
      const quoted = readDoubleQuoted(text, at + 1)
      if (quoted === undefined) return Result.fail(new UnclosedQuote({ quote: '"', position: at + 1 }))
      word = (word ?? "") + quoted.value
      at = quoted.end + 1
    } else if (char === "\\") {
      const next = text.charAt(at + 1)
      // At the very end there is nothing to escape: shells keep it.
      if (next !== "\n") word = (word ?? "") + (next === "" ? "\\" : next)
      at += 2
    } else {
      word = (word ?? "") + char
      at++
    }
  }
  if (word !== undefined) words.push(word)
  return Result.succeed(words)
}

/** From behind the opening quote; `end` is the place of the closing one. */
const readDoubleQuoted = (
  text: string,
  start: number
): { readonly value: string; readonly end: number } | undefined => {
  let value = ""
  for (let at = start; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '"') return { value, end: at }
    const next = text.charAt(at + 1)
    if (char === "\\" && next !== "" && escapable.includes(next)) {
      value += next
      at++
    } else if (char === "\\" && next === "\n") at++
    else value += char
  }
  return undefined
}
