import { assert, describe, it } from "@effect/vitest"
import { textOf } from "../../docs/Pages.ts"

/** The texts on the generated page of all errors, by tag. A text of several lines is cut to its first line. */
const texts = new Map(
  [...textOf("docs/errors.md").matchAll(/^### (\w+)\n\n((?:\|.*\n)+)/gm)].map(([, tag = "", table = ""]) => [
    tag,
    [...table.matchAll(/^\| (.+?)(?:<br>.*)? \|.*\|$/gm)].map(([, text = ""]) => text.replace(/\\(.)/g, "$1"))
  ])
)

/** The other messages of the page: warnings, with the file that has them. */
const warnings = [
  ["cannot connect to port PORT of TASK: REASON", "adapters/forward/ForwardCommand.ts"],
  ["cannot remove NAMES: REASON", "src/engine/Inventory.ts"],
  ["cannot start a guard: REASON", "src/executor/Guard.ts"]
] as const

describe("docs/troubleshooting.md", () => {
  const page = textOf("docs/troubleshooting.md")
  const sections = [...page.matchAll(/^### `(.+)`\n\n\*\[(\w+)\]/gm)].map(([, text = "", tag = ""]) => ({ text, tag }))

  it("has texts of errors as headings, with their tags", () => {
    assert.isAbove(sections.length, 25)
    assert.deepStrictEqual(
      sections.filter(({ tag, text }) => texts.get(tag)?.includes(text) !== true),
      []
    )
  })

  it("explains the errors of every verb", () => {
    assert.includeMembers(
      sections.map(({ tag }) => tag),
      [
        ...["ToolboxNotStarted", "OneOffNotStarted", "OneOffNotPlaced", "LogUnreadable", "SignalNotSent"],
        ...[
          "CannotListen",
          "ForwardingEnded",
          "ServiceNotConverged",
          "ConvergeTimedOut",
          "PathNotFound",
          "AgentsNotRunning"
        ]
      ]
    )
  })

  it("has no other headings except texts of warnings", () => {
    const others = [...page.matchAll(/^### `(.+)`$/gm)].map(([, text]) => text)
    assert.deepStrictEqual(
      others.filter((text) => !sections.some((section) => section.text === text)),
      warnings.map(([text]) => text)
    )
    for (const [text, file] of warnings) assert.include(textOf(file), `\`${text.replace(/[A-Z].*/, "")}$`)
  })
})
