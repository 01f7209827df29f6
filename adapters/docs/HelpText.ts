/**
 * The text that `--help` prints, taken apart: it is where a command's flags are described, and what the reference and the
 * manual pages are made of.
 */

/** A flag, or another word that is explained. */
export interface Item {
  /** As it is written: `-e, --env NAME[=VALUE]`. */
  readonly term: string
  readonly about: string
}

/** A part of a text, in its order. */
export type Part =
  | { readonly _tag: "Paragraph"; readonly text: string }
  /** `title` is the line above the items, where there is one, without its colon. */
  | { readonly _tag: "Items"; readonly title: string | undefined; readonly items: ReadonlyArray<Item> }

/** A whole text. */
export interface HelpText {
  /** One for each way to call it. */
  readonly usage: ReadonlyArray<string>
  readonly parts: ReadonlyArray<Part>
}

/** An indented line: a term, and what is said of it after two blanks at least. */
const itemLine = /^( {2,})(\S+(?: \S+)*)(?:( {2,})(\S.*))?$/

/** Takes a text apart. */
export const readHelp = (text: string): HelpText => {
  const [first = "", ...blocks] = text.trimEnd().split(/\n{2,}/)
  const usage = first.split("\n").map((line) => line.replace(/^(?:Usage:)? */, ""))
  return { usage, parts: blocks.flatMap(readBlock) }
}

const readBlock = (block: string): ReadonlyArray<Part> => {
  const lines = block.split("\n")
  const begin = lines.findIndex((line) => line.startsWith("  "))
  if (begin < 0) {
    // Nothing is between it and what comes before, to save a line of the screen.
    const codes = lines.findIndex((line) => line.startsWith("Exit code: "))
    const paragraphs = codes < 1 ? [lines] : [lines.slice(0, codes), lines.slice(codes)]
    return paragraphs.map((paragraph) => ({ _tag: "Paragraph", text: paragraph.join(" ") }))
  }
  const end = lines.findIndex((line, at) => at > begin && !line.startsWith("  "))
  const items = readItems(lines.slice(begin, end < 0 ? undefined : end))
  const title = begin === 0 ? undefined : lines.slice(0, begin).join(" ").replace(/:$/, "")
  const rest = end < 0 ? [] : readBlock(lines.slice(end).join("\n"))
  return [{ _tag: "Items", title, items }, ...rest]
}

const readItems = (lines: ReadonlyArray<string>): ReadonlyArray<Item> => {
  const items: Array<{ readonly term: string; about: string }> = []
  /** Where what is said of the last term begins: a line that begins there goes on with it. */
  let column = Number.POSITIVE_INFINITY
  for (const line of lines) {
    const last = items.at(-1)
    const indent = line.length - line.trimStart().length
    if (last !== undefined && indent >= column) {
      last.about = `${last.about} ${line.trim()}`
      continue
    }
    const [, before = "", term = "", gap = "", about = ""] = itemLine.exec(line) ?? []
    items.push({ term, about })
    column = about === "" ? Number.POSITIVE_INFINITY : before.length + term.length + gap.length
  }
  return items
}
