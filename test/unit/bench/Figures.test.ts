import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { chartOf } from "../../../bench/Chart.ts"
import { compare } from "../../../bench/Comparison.ts"
import { figure, ratio } from "../../../bench/Figures.ts"
import { headlineTable, markdownTable, pageFile, tableFile, withFigures } from "../../../bench/Page.ts"
import { keptEngineOf, merge, parseResults, printResults, Results } from "../../../bench/Results.ts"
import { summarize } from "../../../bench/Statistics.ts"
import { escape } from "../../../bench/Svg.ts"
import { align, textTable } from "../../../bench/TextTable.ts"
import { contrastOf, schemes } from "./Colors.ts"

const machine = {
  processor: "A processor",
  cores: 2,
  memoryGB: 8,
  kernel: "6.1.0",
  load: 0.1,
  engine: "28.5.2",
  dockerClient: "28.2.2",
  node: "26.1.0",
  hyperfine: "1.15.0"
}

const commit = "0123456789abcdef0123456789abcdef01234567+"
const occasion = { date: "2026-01-31T11:00:00.000Z", commit, load: 1.5 }

const results: Results = {
  date: "2026-01-31T12:00:00.000Z",
  commit,
  machine,
  runs: 2,
  comparisons: [
    compare(
      { measure: "cold", title: "A <cold> | one", unit: "seconds", moved: 3_000_000 },
      { name: "ours & *mine*", samples: [1, 2], cpu: summarize([0.25]) },
      [{ name: "theirs", samples: [2, 8] }]
    ),
    compare({ measure: "store", title: "Objects", unit: "objects", occasion }, { name: "ours", samples: [0, 0] }, [
      { name: "theirs", samples: [0, 0] }
    ])
  ]
}

describe("a figure", () => {
  it("has a suitable unit and three significant digits", () => {
    const seconds = [0, 0.000_25, 0.0415, 0.999, 1, 12.345, 123.4].map((value) => figure(value, "seconds"))
    assert.deepStrictEqual(seconds, ["0 µs", "250 µs", "41.5 ms", "999 ms", "1.00 s", "12.3 s", "123 s"])
    const bytes = [0, 999, 1000, 52_428_800].map((value) => figure(value, "bytes"))
    assert.deepStrictEqual(bytes, ["0 B", "999 B", "1.00 kB", "52.4 MB"])
    assert.strictEqual(figure(0, "objects"), "0")
  })

  it("a ratio shows its quartiles if they differ from it", () => {
    assert.strictEqual(ratio(summarize([1, 2, 3])), "2.0 (1.5 - 2.5)")
    assert.strictEqual(ratio(summarize([0.5])), "0.50")
    assert.strictEqual(ratio(undefined), "")
  })
})

describe("the table for a terminal", () => {
  it("names measure, peer and machine", () => {
    assert.strictEqual(
      textTable(results),
      [
        "2026-01-31, commit 0123456789ab with changes",
        "A processor, 2 cores, 8 GB, Linux 6.1.0",
        "3 nodes with engine 28.5.2; docker client 28.2.2, Node 26.1.0, hyperfine 1.15.0",
        "2 rounds, fewer for slow measures; load average before the start 0.10",
        "",
        "A <cold> | one       median        quartiles  n     CPU        rate               ratio",
        "ours & *mine*        1.50 s  1.25 s - 1.75 s  2  250 ms   2.00 MB/s",
        "theirs               5.00 s  3.50 s - 6.50 s  2          0.600 MB/s  0.38 (0.31 - 0.44)",
        "",
        "Objects (load 1.50)  median        quartiles  n                                   ratio",
        "ours                      0                0  2",
        "theirs                    0                0  2"
      ].join("\n")
    )
  })

  it("names another commit and the load", () => {
    const [cold, store] = results.comparisons
    assert.isDefined(cold)
    assert.isDefined(store)
    const later = { date: "2026-02-01T12:00:00.000Z", commit: "fedcba9876543210", load: 3 }
    const lines = textTable({ ...results, comparisons: [cold, { ...store, occasion: later }] }).split("\n")
    assert.include(lines, "store: 2026-02-01, commit fedcba987654; load average at its end 3.0")
    assert.isUndefined(lines.find((line) => line.startsWith("cold: ")))
  })

  it("names other commits once each, with their measures and loads", () => {
    const [cold, store] = results.comparisons
    assert.isDefined(cold)
    assert.isDefined(store)
    const at = (load: number) => ({ occasion: { date: "2026-02-01T12:00:00.000Z", commit: "fedcba9876543210", load } })
    const lines = textTable({
      ...results,
      comparisons: [
        { ...cold, ...at(1) },
        { ...store, ...at(3) }
      ]
    }).split("\n")
    assert.include(lines, "cold, store: 2026-02-01, commit fedcba987654; load average at their end 1.0 - 3.0")
  })

  it("warns about a busy machine", () => {
    assert.include(textTable({ ...results, machine: { ...machine, load: 3 } }), "the machine was busy")
    assert.notInclude(textTable(results), "busy")
  })

  const cell = Arbitrary.schema(Schema.Literals(["", "a", "bc", "long text", "€"]))
  it.prop("aligns its columns", [Arbitrary.array(Arbitrary.array(cell, { maxLength: 4 }))], ([lines]) => {
    const aligned = align(lines)
    const padded = align(lines.map((line) => [...line, "|"]).filter((line) => line.length === 5))
    assert.strictEqual(aligned.length, lines.length)
    assert.isAtMost(new Set(padded.map((line) => line.length)).size, 1)
  })
})

describe("a file of results", () => {
  it.prop("is decoded as it was encoded", [Arbitrary.schema(Results)], ([any]) => {
    // JSON has no negative zero.
    assert.deepStrictEqual(parseResults(printResults(any)), JSON.parse(JSON.stringify(any)))
  })

  it("keeps the figures of measures that did not run again", () => {
    const [cold, store] = results.comparisons
    assert.isDefined(cold)
    assert.isDefined(store)
    const anew = { ...cold, title: "Anew" }
    const run = { ...results, date: "2026-03-01T00:00:00.000Z", comparisons: [anew, { ...anew, title: "Also" }] }
    const { comparisons, date } = merge(results, run, ["store", "cold"])
    assert.deepStrictEqual(
      comparisons.map(({ title }) => title),
      ["Objects", "Anew", "Also"]
    )
    assert.strictEqual(date, run.date)
  })

  it("keeps the occasion of those figures: their own, or that of the run that measured them", () => {
    const [cold, store] = results.comparisons
    assert.isDefined(cold)
    assert.isDefined(store)
    const run = { ...results, commit: "fedcba9876543210", comparisons: [{ ...cold, measure: "start" }] }
    const { comparisons } = merge(results, run, ["start", "cold", "store"])
    assert.deepStrictEqual(
      comparisons.map((one) => one.occasion),
      [undefined, { date: results.date, commit, load: machine.load }, occasion]
    )
  })

  it("belongs to the engine of its version", () => {
    assert.deepStrictEqual(
      ["28.5", "28.5.2+dfsg1", "20.10.24", "28.5+containerd", "26.1.4", "28.50.1"].map(keptEngineOf),
      ["28.5", "28.5", "20.10", undefined, undefined, undefined]
    )
  })

  it("is rejected if something is missing", () => {
    const { runs: _, ...rest } = results
    assert.throws(() => parseResults(JSON.stringify(rest)), /runs/)
  })
})

/** The measure of the chart: its five ways, and one that it omits. */
const agent = compare(
  { measure: "agent", title: "A command", unit: "seconds" },
  { name: "task-exec --via agent web.1 true", samples: [0.2, 0.2] },
  [
    { name: "task-exec --via agent web.1 true, from another machine", samples: [0.3, 0.3] },
    { name: "docker exec, on the node itself", samples: [0.1, 0.1] },
    { name: "docker -H ssh://… exec", samples: [0.8, 0.8] },
    { name: "docker -H ssh://… exec, over a connection that stays open", samples: [0.3, 0.3] },
    { name: "task-exec --via helper web.1 true", samples: [0.4, 0.4] }
  ]
)

const fiveWays = { ...results, comparisons: [...results.comparisons, agent] }

describe("the chart", () => {
  const svg = chartOf(fiveWays)

  it("has five bars whose lengths match their times", () => {
    const words = [...svg.matchAll(/<text x[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text)
    const labels = ["SSH, new connection", "SSH, connection kept open", "task-exec, helper", "task-exec, agent"]
    assert.deepStrictEqual(words, [
      ...[labels[0], "800 ms", labels[1], "300 ms", labels[2], "400 ms", labels[3], "200 ms"],
      ...["docker exec on the node itself", "100 ms"]
    ])
    const [longest = 0, ...others] = [...svg.matchAll(/<rect class="o[^>]* width="(\d+)"/g)].map(([, text]) =>
      Number(text)
    )
    assert.deepStrictEqual(
      others.map((length) => Math.round((length / longest) * 80)),
      [30, 40, 20, 10]
    )
  })

  it("has no script and no links, and colors for light and dark pages", () => {
    assert.notMatch(svg, /<script|href|url\(|@import| on\w+=/)
    assert.include(svg, "prefers-color-scheme:dark")
  })

  for (const scheme of schemes)
    it(`is readable on a ${scheme} page (WCAG: text 4.5, bars 3)`, () => {
      for (const selector of ["text", "\\.note"]) assert.isAtLeast(contrastOf(svg, scheme, selector), 4.5, selector)
      for (const selector of ["\\.ours", "\\.other"]) assert.isAtLeast(contrastOf(svg, scheme, selector), 3, selector)
    })

  it("fails if one of the five figures is missing", () => {
    const four = { ...agent, rows: agent.rows.filter(({ name }) => !name.startsWith("docker exec")) }
    assert.throws(() => chartOf({ ...results, comparisons: [four] }), /no comparison of SSH, new connection;/)
  })

  const text = Arbitrary.schema(Schema.String)
  it.prop("escapes text", [text], ([any]) => {
    const back = escape(any).replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&")
    assert.strictEqual(back, any)
    assert.notMatch(escape(any), /[<>]|&(?!lt;|gt;|amp;)/)
  })
})

describe("the page", () => {
  it.each([pageFile, tableFile])("%s gets the figures between its two comments, repeatedly", (file) => {
    const page = readFileSync(join(import.meta.dirname, "../../..", file), "utf8")
    const once = withFigures(page, "FIRST")
    const twice = withFigures(once ?? "", "SECOND")
    assert.isDefined(twice)
    assert.strictEqual(once?.replace("FIRST", "SECOND"), twice)
    assert.include(twice, "\n\nSECOND\n\n")
    assert.isUndefined(withFigures("no comments", "figures"))
  })

  it("the table escapes Markdown", () => {
    const table = markdownTable([results])
    assert.include(
      table,
      "| **A \\<cold\\> \\| one** | ours & \\*mine\\* | 1.50 s, 2.00 MB/s | 1.25 s - 1.75 s | 2 | 250 ms |  |"
    )
    assert.include(table, "|  | theirs | 5.00 s, 0.600 MB/s | 3.50 s - 6.50 s | 2 |  | 0.38 (0.31 - 0.44) |")
  })

  it("the table has the figures of another engine beside those of the same way", () => {
    const older = { ...machine, engine: "20.10.24+dfsg1" }
    const of = (title: string, name: string, samples: ReadonlyArray<number>) =>
      compare({ measure: "cold", title, unit: "seconds" }, { name, samples }, [{ name: "theirs", samples: [2, 4, 8] }])
    const now = { ...results, comparisons: [of("A", "task-exec web.1 true", [1, 2]), of("New", "ours", [1, 2])] }
    const before = { ...results, machine: older, comparisons: [of("A", "task-exec web.3 true", [4, 4, 4])] }
    const lines = markdownTable([now, before]).split("\n")
    assert.include(lines, "| what | way | median | quartiles | n | CPU | ratio | median, 20.10 | ratio, 20.10 |")
    assert.include(lines, "|---|---|---:|---:|---:|---:|---:|---:|---:|")
    const rows = lines.filter((line) => line.startsWith("| "))
    assert.deepStrictEqual(
      rows.slice(1).map((line) => line.split(" | ").slice(-2)),
      [
        ["4.00 s", " |"],
        ["4.00 s", "1.0 |"],
        ["", " |"],
        ["", " |"]
      ]
    )
    assert.include(
      lines,
      "- engine 20.10.24+dfsg1: 2026-01-31, commit 0123456789ab with changes; 2 rounds, fewer for slow measures; load average before the start 0.10"
    )
  })

  it("the short page has the figures of another engine beside the chart's", () => {
    const before = { ...fiveWays, machine: { ...machine, engine: "20.10.24+dfsg1" } }
    const lines = headlineTable([fiveWays, before]).split("\n")
    assert.include(lines, "| way | median | times `docker exec` on the node | median, 20.10 | times, 20.10 |")
    assert.include(lines, "| task-exec, helper | 400 ms | 4.0 | 400 ms | 4.0 |")
  })

  it("the short page has the figures of the chart, as multiples of docker exec", () => {
    const lines = headlineTable([fiveWays]).split("\n")
    assert.include(lines, "| task-exec, helper | 400 ms | 4.0 |")
    assert.include(lines, "| docker exec on the node itself | 100 ms | 1.0 |")
  })
})
