import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { exec } from "../../../adapters/cli/Exec.ts"

const parse = (line: string) => exec.parse(line.split(" "), {})

const fleet = (line: string) =>
  Effect.map(parse(line), (invocation) => {
    assert(invocation._tag === "Fleet")
    return { ...invocation.fleet, command: invocation.request.command }
  })

const refused = (line: string) => Effect.map(Effect.flip(parse(line)), (error) => error.message)

describe("task-exec's command line for many tasks", () => {
  it.effect("selects tasks, and leaves the words after the selection to the command", () =>
    Effect.gen(function* () {
      for (const [line, selection] of [
        ["--all web", { services: ["web"] }],
        ["--all web,api", { services: ["web", "api"] }],
        ["web.1,api@node-2", { targets: ["web.1", "api@node-2"] }],
        ["--stack shop", { stack: "shop" }],
        ["--node node-2", { node: "node-2" }],
        ["--node node-2 --stack shop", { stack: "shop", node: "node-2" }],
        ["--node node-2 --all web", { services: ["web"], node: "node-2" }]
      ] as const) {
        const { command, selection: found } = yield* fleet(`${line} nginx --all -s`)
        assert.deepStrictEqual(found, { ...selection, filters: [], any: false }, line)
        assert.deepStrictEqual(command, ["nginx", "--all", "-s"], line)
      }
      assert.deepStrictEqual((yield* fleet("--any --limit 1 web date")).selection, {
        services: ["web"],
        filters: [],
        any: true,
        limit: { _tag: "Count", count: 1 }
      })
    })
  )

  it.effect("is no fan-out with a single target", () =>
    Effect.map(parse("web.1 date -a,b"), (invocation) => assert.strictEqual(invocation._tag, "Exec"))
  )

  it.effect("reads filters, and amounts as numbers or percentages", () =>
    Effect.gen(function* () {
      const filters =
        "--filter label=a.b=c=d --filter label=x --filter node.label=zone=1 --filter node=n --filter state=running"
      const { selection } = yield* fleet(`--all ${filters} --limit 20% web date`)
      assert.deepStrictEqual(selection.filters, [
        { _tag: "Label", key: "a.b", value: "c=d" },
        { _tag: "Label", key: "x", value: undefined },
        { _tag: "NodeLabel", key: "zone", value: "1" },
        { _tag: "Node", node: "n" },
        { _tag: "State", state: "running" }
      ])
      assert.deepStrictEqual(selection.limit, { _tag: "Percent", percent: 20 })
    })
  )

  it.effect("reads the pacing and the form of the output", () =>
    Effect.gen(function* () {
      const { followUpdates, form, outDir, pacing } = yield* fleet(
        "--all --parallel 25% --delay 5s --max-failures 3 --deadline 10m --follow-updates -b --diff --out-dir out web date"
      )
      assert.deepStrictEqual(pacing, {
        parallel: { _tag: "Percent", percent: 25 },
        delay: Duration.seconds(5),
        maxFailures: { _tag: "Count", count: 3 },
        deadline: Duration.minutes(10)
      })
      assert.deepStrictEqual([followUpdates, form, outDir], [true, "diff", "out"])
      assert.deepStrictEqual((yield* fleet("--all --fail-fast web date")).pacing, {
        maxFailures: { _tag: "Count", count: 0 }
      })
      for (const [flags, expected] of [
        ["", "lines"],
        ["-b ", "gather"],
        ["--output json ", "json"],
        ["--output summary ", "summary"]
      ]) {
        assert.strictEqual((yield* fleet(`--all ${flags}web date`)).form, expected)
      }
    })
  )

  it.effect("needs no command with --list", () =>
    Effect.map(fleet("--list --all web"), ({ command, list }) => assert.deepStrictEqual([list, command], [true, []]))
  )

  for (const [line, message] of [
    ["--all", /^TARGET is missing/],
    ["--all web", /^COMMAND is missing/],
    ["--all -t web sh", /^-t needs a single task/],
    ["--parallel 3 web date", /^--parallel is for many tasks: use it with --all/],
    ["--output summary web date", /^--output summary is for many tasks: use it with --all/],
    ["--all --any web date", /^--all and --any cannot be combined$/],
    ["--all --stack shop web date", /^--stack cannot be combined with --all, --any or TARGET$/],
    ["web.1,,web.2 date", /^invalid target "web.1,,web.2": a name between the commas is empty$/],
    ["--all --parallel 0 web date", /^invalid number of tasks "0": /],
    ["--all --limit x web date", /^invalid limit "x": /],
    ["--all --filter color=red web date", /^invalid filter "color=red": expected label=/],
    ["--all --output xml web date", /^invalid output "xml": expected json or summary$/],
    ["--all -b --output json web date", /^--output json cannot be combined with --gather or --diff$/],
    ["--all --delay soon web date", /^invalid delay "soon": expected a duration such as 90s or 5m$/],
    ["--all --deadline 0 web date", /^invalid deadline "0": expected more than 0$/]
  ] as const) {
    it.effect(`refused: ${line}`, () => Effect.map(refused(line), (said) => assert.match(said, message)))
  }
})
