import { assert, describe, it } from "@effect/vitest"
import { commandsOf, isAsShown } from "../../docs/Console.ts"
import { blocksOf, pages, textOf } from "../../docs/Pages.ts"

describe("a block that shows commands", () => {
  it("is parsed, with here-documents", () => {
    assert.deepStrictEqual(commandsOf("$ one\na\nb\n$ two <<'END'\n$ in\nEND\nc"), [
      { command: "one", output: ["a", "b"] },
      { command: "two <<'END'\n$ in\nEND", output: ["c"] }
    ])
  })

  it("matches every line, and … matches any text", () => {
    assert.isTrue(isAsShown(["a.…b", "c"], "a.123b  \nc\n"))
    assert.isTrue(isAsShown([], ""))
    assert.isFalse(isAsShown(["a.…b"], "axb\n"))
    assert.isFalse(isAsShown(["a"], "a\nb\n"))
    assert.isFalse(isAsShown(["a", "b"], "a\n"))
  })
})

describe("the pages", () => {
  it("give a reason for a block that is not run", () => {
    const remarks = pages
      .flatMap(blocksOf)
      .flatMap(({ line, page, remark }) => remark && [`${page}:${line}: ${remark}`])
    for (const remark of remarks.filter((one) => one !== undefined)) {
      assert.match(remark, /: (?:skip, because \S.+|terminal|Ctrl-C|follow|release)$/)
    }
  })
  it("start short: README.md has at most 700 words", () => {
    assert.isAtMost(textOf("README.md").trim().split(/\s+/).length, 700)
  })
  it("have no indented blocks, which the tests do not read", () => {
    assert.deepStrictEqual(
      pages.filter((page) => /^[ \t]+```/m.test(textOf(page))),
      []
    )
  })
})
