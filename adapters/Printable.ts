/**
 * Text that no terminal obeys. Names, labels, host names and the words of engines may hold anything: sequences that set the clipboard,
 * move the cursor or turn the direction of what follows, and line breaks that make one line look like two.
 */

/**
 * Control characters (C0, DEL, C1), separators of lines and paragraphs, half surrogates, and format characters, which are not seen and
 * change what is (direction, hidden text). The two joiners of scripts and emoji stay.
 */
const misleading = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/** `\x1b`, `\u202e`, `\u{e0041}`. */
const visible = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  if (code <= 0xff) return named[character] ?? `\\x${hex.padStart(2, "0")}`
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`
}

/** One line of text, with visible escapes for what a terminal would obey. What it gives stays as it is when it is given again. */
export const printable = (line: string): string => line.replace(misleading, visible)

/** The same for lines of our own, whose ends stay. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n")

/** A message that may have several lines: those after the first are indented, so that none looks like a line of its own. */
export const inOneEntry = (message: string): string =>
  message
    .trimEnd()
    .split(/\r\n|[\n\r]/)
    .map(printable)
    .join("\n    ")

/** JSON text with \u escapes for what a terminal would obey, which `JSON.stringify` has for C0 only. It means the same. */
export const printableJson = (json: string): string =>
  json.replace(misleading, (character) =>
    // Between the values there are line breaks and blanks only.
    character === "\n"
      ? character
      : [...Array(character.length).keys()]
          .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
          .join("")
  )

/** A value as JSON that a terminal can be shown, on one line unless there is an `indent`. */
export const toJson = (value: unknown, indent?: number): string => printableJson(JSON.stringify(value, null, indent))
