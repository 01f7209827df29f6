/** Reads the pages of the documentation for the tests. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

/** A block of code in a page. */
export interface Block {
  /** The path of the page in the project's folder. */
  readonly page: string
  /** The number of its first line in the page, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** The text of the comment before it: `<!-- test: skip, because … -->`. */
  readonly remark: string | undefined
}

/** Paths of all pages in the project's folder. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  "AGENTS.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `docs/${name}`)
]

/** The text of a page. */
export const textOf = (page: string): string => readFileSync(join(root, page), "utf8")

/** The blocks of a page, in order. */
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

/** A page without its blocks of code. */
const withoutBlocks = (text: string): string => text.replace(/^(```+)\w*\n[\s\S]*?^\1$/gm, "")

/** The targets of a page's links and pictures, in Markdown and HTML. */
export const linksOf = (text: string): ReadonlyArray<string> =>
  [
    ...withoutBlocks(text)
      .replace(/`[^`\n]*`/g, "code")
      .matchAll(/\]\(([^()\s]+)\)|\b(?:href|src|srcset)="([^"]+)"/g)
  ].flatMap(([, markdown, html]) => markdown ?? html ?? [])

/** The anchors of a page's headings, as GitHub makes them. */
export const anchorsOf = (text: string): ReadonlyArray<string> => {
  const seen = new Map<string, number>()
  return [...withoutBlocks(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, title = ""]) => {
    const anchor = title
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-")
    const before = seen.get(anchor) ?? 0
    seen.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}
