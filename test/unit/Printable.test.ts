/** Control characters in text from other machines never reach a terminal. */
import { closeSync, globSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { makeStageLine } from "../../adapters/cli/StageLine.ts"
import { makeProgress } from "../../adapters/cp/Progress.ts"
import type { Check } from "../../adapters/doctor/Check.ts"
import { colourOf, linesOf } from "../../adapters/doctor/DoctorText.ts"
import { makeView } from "../../adapters/fleet/FleetView.ts"
import { JsonLines } from "../../adapters/fleet/JsonLines.ts"
import { makeStatusLine } from "../../adapters/fleet/StatusLine.ts"
import { summarize } from "../../adapters/fleet/Summary.ts"
import { layOut } from "../../adapters/LayOut.ts"
import { lineOf } from "../../adapters/LineLogger.ts"
import { writeText } from "../../adapters/Output.ts"
import { inOneEntry, printable, printableJson, printableLines, toJson } from "../../adapters/Printable.ts"
import type { Stage } from "../../src/Stage.ts"
import { chosen, ended, exited, failed, started, stdout, task } from "./fleet/Fixtures.ts"

/** Control sequences, and characters that mislead readers. */
const special = [
  ...["\u001b]52;c;aGk=\u0007", "\u001b[2J", "\u009b31m", "\u007f", "\u0000", "\b", "\r", "\n", "\t", "\u0085"],
  ...["\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u200e", "\ufeff", "\u{e0041}", "\ud800"]
]
/** Texts with some of them. */
const foreign = Arbitrary.schema(
  Schema.Array(
    Schema.Union([Schema.Literals(special), Schema.Literals(["a", "é", "│", "👩‍👧", '"', "\\"]), Schema.String])
  )
).pipe(Arbitrary.map((parts) => parts.join("")))

const misleading = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** Whether the text has none of them, except the sequences that the program itself writes. */
const isHarmless = (shown: string, own: RegExp = /\n/g) => {
  const rest = shown.replace(own, "")
  assert.notMatch(rest, misleading, JSON.stringify(shown))
}

/** Carriage returns and erasing, colors, and line ends. */
const ofTerminals = /\r|\u001b\[K|\u001b\[(?:0;)?\d+m|\n/g

describe("text from containers, nodes and engines", () => {
  it.prop("contains no control sequences once it is printable, and does not change again", [foreign], ([text]) => {
    for (const make of [printable, printableLines, inOneEntry]) {
      isHarmless(make(text))
      // The writer escapes every line, so escaping a second time must not change printable parts.
      assert.strictEqual(printableLines(make(text)), make(text))
    }
    assert.notInclude(printable(text), "\n")
    // Further lines of a message cannot look like messages of their own.
    for (const line of inOneEntry(text).split("\n").slice(1)) assert.isTrue(line.startsWith("    "))
  })

  it("shows the original characters", () => {
    assert.strictEqual(
      printable("a\u001b[31m\u009b\u007f\n\r\t\u202e\u{e0041}\ud800z"),
      "a\\x1b[31m\\x9b\\x7f\\n\\r\\t\\u202e\\u{e0041}\\ud800z"
    )
    assert.strictEqual(printable("Grüße, 日本 👩‍👧 \\x1b"), "Grüße, 日本 👩‍👧 \\x1b")
  })

  it.prop("keeps its meaning as JSON, without control sequences", [foreign], ([text]) => {
    const document = { [text]: [text, { text }] }
    for (const json of [toJson(document), toJson(document, 2), printableJson(JSON.stringify(document))]) {
      isHarmless(json)
      assert.deepStrictEqual(JSON.parse(json), JSON.parse(JSON.stringify(document)))
    }
  })

  it.effect.prop("is escaped on every file descriptor", [foreign], ([text]) =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "task-exec-printable-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true }))
      )
      const file = join(folder, "out")
      const fd = openSync(file, "w")
      yield* writeText(fd, text)
      yield* writeText(fd, `${text}\n`, { code: "31", length: 3 })
      closeSync(fd)
      isHarmless(readFileSync(file, "utf8"), ofTerminals)
    })
  )

  it.prop("is escaped in lines, errors, tables and reports", [foreign], ([text]) => {
    for (const format of ["text", "json"] as const) {
      isHarmless(lineOf("task-exec", format)("Error", text, { text, nested: { [text]: text } }))
    }
    isHarmless(
      layOut([
        [text, "B"],
        ["a", text]
      ]).join("\n")
    )
    const check: Check = {
      check: "node",
      node: { id: text, hostname: text },
      verdict: "fails",
      found: text,
      next: text
    }
    isHarmless(linesOf(check))
    assert.match(linesOf(check).slice(0, colourOf(check).length), /^fails +$/)
  })

  it.effect.prop("is escaped in every view of a fan-out, but not in the output of commands", [foreign], ([text]) =>
    Effect.gen(function* () {
      const tasks = [1, 2, 3].map((slot) => ({
        ...task(`web.${slot}@node-${slot}`),
        name: `${text}.${slot}`,
        node: { id: text, hostname: text, state: text, availability: text }
      }))
      const [one = task(""), two = task(""), three = task("")] = tasks
      const results = [exited(0), exited(0), failed(text)]
      const events = [
        chosen(tasks),
        ...tasks.map(started),
        stdout(one, "first\nof it\n"),
        stdout(two, "second"),
        ended(one, results[0]),
        ended(two, results[1]),
        ended(three, results[2]),
        {
          _tag: "Finished",
          results: tasks.map((each, at) => ({ task: each, result: results[at] ?? exited(0) }))
        } as const
      ]
      for (const form of ["lines", "gather", "diff", "json", "summary"] as const) {
        const view = makeView(form, { colour: true, terminal: true }, new JsonLines())
        let shown = ""
        for (const event of events) for (const { bytes } of yield* view(event)) shown += Buffer.from(bytes).toString()
        isHarmless(shown, ofTerminals)
        if (form !== "summary") assert.include(shown, "of it")
      }
      isHarmless(printable(summarize(tasks.map((each) => ({ task: each, result: failed(text) })))))
    })
  )

  it.effect.prop("is escaped in the status line", [foreign], ([text]) =>
    Effect.gen(function* () {
      let shown = ""
      const write = (more: string) => {
        shown += more
      }
      const screen = { write, now: () => 0 }
      const stages: ReadonlyArray<Stage> = [
        { _tag: "Find", target: text },
        { _tag: "Wait", target: text },
        { _tag: "Place", node: text },
        { _tag: "Prepare", node: text, image: text },
        { _tag: "Launch", node: text },
        { _tag: "Connect", node: text }
      ]
      for (const stage of stages) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const line = yield* makeStageLine(screen, () => 60)
            line.began(stage)
            yield* TestClock.adjust("1 second")
          })
        )
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const each = { ...task("web.1@n"), name: text, node: { id: "", hostname: text, state: "", availability: "" } }
          const status = yield* makeStatusLine(screen, () => 60)
          yield* status.see(chosen([each]))
          yield* status.see(started(each))
          yield* TestClock.adjust("1 second")
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const progress = yield* makeProgress(screen, text, undefined)
          yield* progress.done(text)
        })
      )
      assert.include(shown, "Successfully copied")
      isHarmless(shown, ofTerminals)
    })
  )
})

describe("output to a terminal", () => {
  const folder = join(import.meta.dirname, "..", "..", "adapters")
  const sources = globSync("**/*.ts", { cwd: folder }).map((name) => ({
    name,
    text: readFileSync(join(folder, name), "utf8").replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, "")
  }))
  const users = (wanted: RegExp) => sources.filter(({ text }) => wanted.test(text)).map(({ name }) => name)

  it("is written only by Output.ts, and in the image by programs that talk to our own programs", () => {
    assert.deepStrictEqual(users(/\b[cC]onsole\.|\bprocess\.std(?:out|err)\.write\b/), ["Output.ts"])
    // Bytes of a tunnel, for an attached caller.
    assert.deepStrictEqual(users(/\bfd: [12]\b/), [
      "helper/ForwardCommand.ts",
      "helper/ListenerCommand.ts",
      "helper/PassOn.ts"
    ])
    // The audit file and the plugin's output files, through `printable`. The entry of an agent writes to an attached caller.
    assert.deepStrictEqual(users(/\bwriteSync\(/).toSorted(), [
      "audit/AuditFile.ts",
      "command/Channel.ts",
      "helper/AgentEntry.ts"
    ])
  })

  it("is unescaped only for output of commands, archives, status lines, and lists that `draw` escapes", () => {
    assert.deepStrictEqual(users(/\bwriteAll\(/).toSorted(), [
      "Output.ts",
      "cli/Complete.ts",
      "cli/ExecInOne.ts",
      "command/Channel.ts",
      "cp/CpCommand.ts",
      "fleet/FleetCommand.ts",
      // Frames in base64.
      "helper/HelperCommand.ts"
    ])
    for (const name of users(/\bstderrScreen\b/)) {
      const { text } = sources.find((source) => source.name === name) ?? { text: "" }
      for (const use of text.match(/.*\bstderrScreen\b.*/g) ?? []) {
        assert.match(
          use,
          /^import |^ {2}stderrScreen,$|^export const stderrScreen|new LastLine\(|make(?:StageLine|StatusLine|Progress)\(|choose\(/,
          name
        )
      }
    }
  })
})
