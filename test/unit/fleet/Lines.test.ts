import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { Lines, type LinesOptions, maxPart } from "../../../adapters/fleet/Lines.ts"
import type { FleetEvent } from "../../../src/fleet/FleetEvent.ts"
import { bytesTo, chosen, chunksOf, ended, integer, output, stderr, stdout, task, textTo } from "./Fixtures.ts"

const two = task("web.2@node-1")
const ten = task("web.10@node-3")
const agent = task("agent@node-1")

const plain: LinesOptions = { colour: false, terminal: false }

const show = (events: ReadonlyArray<FleetEvent>, options: LinesOptions = plain) => {
  const lines = new Lines(options)
  return [chosen([two, ten, agent]), ...events].flatMap((event) => lines.push(event))
}

describe("output by lines", () => {
  it("aligns its bars", () => {
    const pieces = show([stdout(two, "one\n"), stdout(ten, "two\nthree\n"), stdout(agent, "\n")])
    assert.strictEqual(
      textTo("stdout", pieces),
      "web.2@node-1  │ one\nweb.10@node-3 │ two\nweb.10@node-3 │ three\nagent@node-1  │ \n"
    )
  })

  it("writes stderr to stderr, and marks it also without colors", () => {
    const pieces = show([stdout(two, "out\n"), stderr(two, "err\n")])
    assert.strictEqual(textTo("stdout", pieces), "web.2@node-1  │ out\n")
    assert.strictEqual(textTo("stderr", pieces), "web.2@node-1  ┃ err\n")
  })

  it("does not mix lines of tasks or of streams", () => {
    const pieces = show([
      stdout(two, "beg"),
      stdout(ten, "other\n"),
      stderr(two, "warn"),
      stdout(two, "in\nne"),
      stderr(two, "ing\n"),
      stdout(two, "xt\n")
    ])
    assert.deepStrictEqual(
      pieces.map(({ bytes, stream }) => `${stream} ${Buffer.from(bytes).toString()}`),
      [
        "stdout web.10@node-3 │ other\n",
        "stdout web.2@node-1  │ begin\n",
        "stderr web.2@node-1  ┃ warning\n",
        "stdout web.2@node-1  │ next\n"
      ]
    )
  })

  it("ends a line without a line feed with its task, once", () => {
    const pieces = show([stdout(two, "out"), stderr(two, "err"), ended(two), ended(ten), ended(agent)])
    assert.strictEqual(textTo("stdout", pieces), "web.2@node-1  │ out\n")
    assert.strictEqual(textTo("stderr", pieces), "web.2@node-1  ┃ err\n")
  })

  it("gives each task a color and stderr a red bar, and resets the terminal before each prefix", () => {
    const pieces = show([stdout(two, "a\n"), stderr(two, "b\n"), stdout(ten, "c\n")], { colour: true, terminal: true })
    assert.strictEqual(
      textTo("stdout", pieces),
      "\u001b[0;36mweb.2@node-1  \u001b[0;36m│\u001b[0m a\n\u001b[0;33mweb.10@node-3 \u001b[0;33m│\u001b[0m c\n"
    )
    assert.strictEqual(textTo("stderr", pieces), "\u001b[0;36mweb.2@node-1  \u001b[0;31m┃\u001b[0m b\n")
  })

  it("keeps the prefix before a progress line on a terminal, and does not change it elsewhere", () => {
    const events = [stdout(two, "10%\r20%\r\r30%\r\n"), stdout(two, "done\r"), ended(two)]
    assert.strictEqual(
      textTo("stdout", show(events, { colour: false, terminal: true })),
      "web.2@node-1  │ 10%\rweb.2@node-1  │ 20%\r\rweb.2@node-1  │ 30%\r\nweb.2@node-1  │ done\r\n"
    )
    assert.strictEqual(textTo("stdout", show(events)), "web.2@node-1  │ 10%\r20%\r\r30%\r\nweb.2@node-1  │ done\r\n")
  })

  it("keeps a line up to the limit, and splits a longer one between characters", () => {
    const fits = "x".repeat(maxPart)
    assert.strictEqual(textTo("stdout", show([stdout(two, `${fits}\n`)])), `web.2@node-1  │ ${fits}\n`)
    const pieces = show(chunksOf(Buffer.from(`x${"é".repeat(maxPart)}\nend\n`), 1000).map((data) => stdout(two, data)))
    const lines = textTo("stdout", pieces).split("\n")
    assert.deepStrictEqual(
      lines.map((line) => [line.slice(0, 17), Buffer.byteLength(line.slice(16))]),
      [
        // One byte of an even number remains for the next part.
        ["web.2@node-1  │ x", maxPart - 1],
        ["web.2@node-1  ↳ é", maxPart],
        ["web.2@node-1  ↳ é", 2],
        ["web.2@node-1  │ e", 3],
        ["", 0]
      ]
    )
    assert.notInclude(textTo("stdout", pieces), "\uFFFD")
  })

  it("does not keep megabytes of a line without a line feed", () => {
    const lines = new Lines(plain)
    const chunk = Buffer.alloc(32 * 1024, "y")
    let written = 0
    for (let at = 0; at < 100; at++) {
      for (const { bytes } of lines.push(stdout(two, chunk))) written += bytes.length
      assert.isAtLeast(written, (at + 1) * chunk.length - maxPart)
    }
  })

  it.prop(
    "writes every byte, of any chunks of any tasks",
    [Arbitrary.array(output, { maxLength: 4 }), integer(1, 20)],
    ([outputs, size]) => {
      const chunks = outputs.map((bytes) => chunksOf(bytes, size))
      const tasks = outputs.map((_, at) => task(`web.${at}@n`))
      const lines = new Lines(plain)
      lines.push(chosen(tasks))
      const events: Array<FleetEvent> = []
      for (let round = 0; round < 200; round++) {
        for (const [at, of] of tasks.entries()) {
          const chunk = chunks[at]?.[round]
          if (chunk !== undefined) events.push(stdout(of, chunk))
        }
      }
      const written = bytesTo(
        "stdout",
        [...events, ...tasks.map((of) => ended(of))].flatMap((event) => lines.push(event))
      ).toString("latin1")
      const bar = Buffer.from(" │ ").toString("latin1")
      for (const [at, bytes] of outputs.entries()) {
        const prefix = `web.${at}@n${bar}`
        const own = written.split("\n").filter((line) => line.startsWith(prefix))
        const text = own.map((line) => `${line.slice(prefix.length)}\n`).join("")
        const original = bytes.toString("latin1")
        assert.strictEqual(text, original === "" || original.endsWith("\n") ? original : `${original}\n`)
      }
    }
  )
})
