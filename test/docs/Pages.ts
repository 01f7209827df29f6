/** The pages of the documentation, taken apart for the tests. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

/** A block of code in a page. */
export interface Block {
  /** Of the page, from the project's folder. */
  readonly page: string
  /** Of its first line in the page, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** What the comment before it says: `<!-- test: skip, because … -->`. */
  readonly remark: string | undefined
}

/** Names of all pages, from the project's folder. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `docs/${name}`)
]

/** The text of a page. */
export const textOf = (page: string): string => readFileSync(join(root, page), "utf8")

/** The blocks of a page, in their order. */
export const blocksOf = (page: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  const lines = textOf(page).split("\n")
  let open: { readonly at: number; readonly language: string; readonly fence: string } | undefined
  for (const [at, line] of lines.entries()) {
    if (open !== undefined) {
      if (line !== open.fence) continue
      const text = lines.slice(open.at + 1, at).join("\n")
      const above = lines.slice(0, open.at).findLast((one) => one.trim() !== "") ?? ""
      const remark = /^<!-- test: (.+) -->$/.exec(above)?.[1]
      blocks.push({ page, line: open.at + 2, language: open.language, text, remark })
      open = undefined
      continue
    }
    const [, fence, language] = /^(```+)(\w*)$/.exec(line) ?? []
    if (fence !== undefined && language !== undefined) open = { at, language, fence }
  }
  return blocks
}
