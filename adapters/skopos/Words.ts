/** Splits a command line into words as a POSIX shell does, without any other function of a shell. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A quote is not closed. The error does not contain the text, which may hold a secret. */
export class UnclosedQuote extends Schema.TaggedError<UnclosedQuote>()("UnclosedQuote", {
  quote: Schema.Literals(["'", '"']),
  /** The position of the quote: 1 is the text's first character. */
  position: Schema.Int
}) {
  override get message(): string {
    return `unclosed ${this.quote} at character ${this.position}`
  }
}

/** The separators of words. A newline is one, because it does not end a command here. */
const blank = " \t\n"

/** The characters that a backslash escapes inside double quotes. */
const escapable = '$`"\\'

/**
 * Returns the words of a command line. Blanks separate words, and `'…'` is literal. Inside `"…"`, a backslash escapes `$`, `` ` ``, `"` and
 * `\`. Elsewhere it escapes any character, and before a newline it removes both (POSIX.1, Shell Command Language, 2.2 and 2.3).
 *
 * There are no expansions, operators or comments: `$HOME`, `*`, `;`, `|`, `>` and `#` are plain characters. For a shell, run one: `sh -c
 * '…'`.
 */
export const splitWords = (text: string): Result.Result<ReadonlyArray<string>, UnclosedQuote> => {
  const words: Array<string> = []
  /** `undefined` between words. An empty pair of quotes is a word, too. */
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
      // At the end of the text there is nothing to escape, so shells keep the backslash.
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

/** Reads from after the opening quote. `end` is the index of the closing one. */
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
