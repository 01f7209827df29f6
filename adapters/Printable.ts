/** Escapes text in the forms that programs print: lines, entries of a log, and JSON. */
import { misleading, printable } from "../src/internal/Printable.ts"

export { printable }

/** Escapes lines of text. Line feeds stay. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n")

/** Escapes a message of one or more lines. Further lines are indented, so that they belong visibly to the first one. */
export const inOneEntry = (message: string): string =>
  message
    .trimEnd()
    .split(/\r\n|[\n\r]/)
    .map(printable)
    .join("\n    ")

/** Escapes JSON text without changing its value. `JSON.stringify` escapes C0 characters only. */
export const printableJson = (json: string): string =>
  json.replace(misleading, (character) =>
    // Only line breaks and blanks stand between values.
    character === "\n"
      ? character
      : [...Array(character.length).keys()]
          .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
          .join("")
  )

/** Formats a value as escaped JSON, on one line unless there is an `indent`. */
export const toJson = (value: unknown, indent?: number): string => printableJson(JSON.stringify(value, null, indent))
