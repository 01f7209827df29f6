/**
 * Escapes text so that it can't control a terminal. Names, labels, host names and texts of engines may contain sequences that set the
 * clipboard, move the cursor or change the text direction. Line breaks in them may make one line look like two.
 */

/**
 * Control characters (C0, DEL, C1), separators of lines and paragraphs, lone surrogates, and invisible format characters (direction,
 * hidden text). The two joiners of scripts and emoji are allowed.
 */
export const misleading = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** Returns the escape of a character: `\x1b`, `\u202e`, `\u{e0041}`. */
const visible = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  if (code <= 0xff) return named[character] ?? `\\x${hex.padStart(2, "0")}`
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`
}

/** Escapes one line of text. Idempotent. */
export const printable = (line: string): string => line.replace(misleading, visible)
