/** Formats a JSON text without changing its values. */

/** The deepest indentation in levels, so that a text of brackets alone keeps a reasonable size. */
const deepest = 12

/**
 * Returns the same JSON with other white space: `indent` blanks per level, or one line with 0.
 *
 * `JSON.stringify(JSON.parse(text))` would change it: keys like `"10"` move to the front, and long numbers lose digits. This function keeps
 * every key, string and number as it is. The text must be valid JSON.
 */
export const layOutJson = (text: string, indent: number): string => {
  const pieces: Array<string> = []
  let level = 0
  const newLine = () => {
    if (indent > 0) pieces.push("\n", " ".repeat(indent * Math.min(level, deepest)))
  }
  let at = skipBlanks(text, 0)
  while (at < text.length) {
    const char = text.charAt(at)
    const end = endOfToken(text, at)
    const next = skipBlanks(text, end)
    switch (char) {
      case "{":
      case "[":
        pieces.push(char)
        if (!isClosing(text.charAt(next))) {
          level++
          newLine()
        }
        break
      case "}":
      case "]":
        if (!isOpening(pieces.at(-1))) {
          level--
          newLine()
        }
        pieces.push(char)
        break
      case ",":
        pieces.push(char)
        newLine()
        break
      case ":":
        pieces.push(indent > 0 ? ": " : ":")
        break
      default:
        pieces.push(text.slice(at, end))
    }
    at = next
  }
  return pieces.join("")
}

const isOpening = (piece: string | undefined): boolean => piece === "{" || piece === "["
const isClosing = (char: string): boolean => char === "}" || char === "]"

/** The white space of JSON. */
const blanks = " \t\n\r"
const marks = "{}[],:"

const skipBlanks = (text: string, from: number): number => {
  let at = from
  while (at < text.length && blanks.includes(text.charAt(at))) at++
  return at
}

const endOfToken = (text: string, start: number): number => {
  const first = text.charAt(start)
  if (marks.includes(first)) return start + 1
  let at = start + 1
  if (first === '"') {
    while (at < text.length && text.charAt(at) !== '"') at += text.charAt(at) === "\\" ? 2 : 1
    return at + 1
  }
  while (at < text.length && !marks.includes(text.charAt(at)) && !blanks.includes(text.charAt(at))) at++
  return at
}
