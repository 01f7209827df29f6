import { existsSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { anchorsOf, linksOf, pages, textOf } from "../../docs/Pages.ts"

const root = join(import.meta.dirname, "..", "..", "..")
const all = [...pages, "CHANGELOG.md"]

describe("links of the documentation", () => {
  it("each lead to a file or a heading", () => {
    const broken = all.flatMap((page) =>
      linksOf(textOf(page))
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => {
          const [path = "", anchor] = link.split("#")
          const file = path === "" ? page : normalize(join(dirname(page), path))
          if (file.startsWith("..") || !existsSync(join(root, file))) return true
          return anchor !== undefined && !anchorsOf(textOf(file)).includes(anchor)
        })
        .map((link) => `${page}: ${link}`)
    )
    assert.deepStrictEqual(broken, [])
  })

  it("reach every page from README.md", () => {
    const reached = new Set<string>()
    const visit = (page: string) => {
      if (reached.has(page) || !all.includes(page)) return
      reached.add(page)
      for (const link of linksOf(textOf(page))) visit(normalize(join(dirname(page), link.replace(/#.*$/, ""))))
    }
    visit("README.md")
    assert.deepStrictEqual(
      all.filter((page) => !reached.has(page)),
      []
    )
  })

  it("are found in Markdown and HTML, and not in code", () => {
    const text = [
      "A [page](a.md) and [`code`](b.md#c-d), ![picture](p.svg), `[none](x.md)`",
      '<source srcset="dark.svg"><img src="light.svg">',
      "```",
      "[none](z.md)",
      "```"
    ].join("\n")
    assert.deepStrictEqual(linksOf(text), ["a.md", "b.md#c-d", "p.svg", "dark.svg", "light.svg"])
  })

  it("have the anchors that GitHub makes", () => {
    const text = ["# A `code` title: what's in it?", "## Exit codes", "### Exit codes", "```", "# none", "```"].join(
      "\n"
    )
    assert.deepStrictEqual(anchorsOf(text), ["a-code-title-whats-in-it", "exit-codes", "exit-codes-1"])
  })
})
