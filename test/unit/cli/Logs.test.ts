import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { completionContext } from "../../../adapters/cli/CompletionContext.ts"
import { logs } from "../../../adapters/cli/Logs.ts"
import { signal } from "../../../adapters/cli/Signal.ts"

const words = (line: string) => (line === "" ? [] : line.split(" "))
const refused = (verb: typeof logs, line: string) =>
  Effect.map(Effect.flip(verb.parse(words(line), {})), ({ message }) => message)

/** The action of a line, with its target or its selection. */
const read = (verb: typeof logs, line: string) =>
  Effect.map(verb.parse(words(line), {}), (invocation) => {
    assert(invocation._tag === "Exec" || invocation._tag === "Fleet")
    const { action } = invocation.request
    return { action, on: invocation._tag === "Exec" ? invocation.request.target : invocation.fleet.selection }
  })

describe("the command line of logs", () => {
  it.effect("takes its options before and after TARGET", () =>
    Effect.gen(function* () {
      const action = { _tag: "Logs", follow: true, timestamps: true, tail: 5 } as const
      for (const line of ["-ft -n 5 web.2", "web.2 -f -t -n5", "--follow web.2 --tail=5 --timestamps"]) {
        assert.deepStrictEqual(yield* read(logs, line), { action, on: "web.2" })
      }
      for (const line of ["web --tail all", "web --tail -1"]) {
        assert.deepStrictEqual(yield* read(logs, line), {
          action: { _tag: "Logs", follow: false, timestamps: false },
          on: "web"
        })
      }
    })
  )

  it.effect("makes times absolute, and JSON lines carry the time of each line", () =>
    Effect.gen(function* () {
      const { action } = yield* read(logs, "web --since 2026-01-31T08:30:00Z --until 1800000000.5 --output json")
      assert.deepStrictEqual(action, {
        _tag: "Logs",
        follow: false,
        timestamps: true,
        since: "1769848200.000000000",
        until: "1800000000.500000000"
      })
    })
  )

  it.effect("makes a fan-out of one task with --follow-updates, which implies --follow", () =>
    Effect.gen(function* () {
      const { action, on } = yield* read(logs, "--follow-updates web.2")
      assert(action?._tag === "Logs" && typeof on !== "string")
      assert.deepStrictEqual([action.follow, on.targets], [true, ["web.2"]])
      const all = yield* read(logs, "--stack shop --filter state=failed")
      assert(typeof all.on !== "string")
      assert.strictEqual(all.on.stack, "shop")
    })
  )

  it.effect.each([
    ["", "TARGET is missing: name a service or a task"],
    ["web extra", 'unexpected argument "extra"'],
    ["web --tail five", 'invalid --tail "five": expected a number of lines, or all'],
    ["web --tail -5", 'invalid --tail "-5": expected a number of lines, or all'],
    [
      "web --since soon",
      '--since: invalid time "soon": expected a duration such as 10m, a date such as 2026-01-31 or 2026-01-31T08:30:00Z, or Unix seconds'
    ],
    ["web --timeout 5s", "--timeout does not work with logs: use --until"],
    ["web -i", "--interactive does not work with logs: it runs no command"],
    ["-f --gather --all web", "--gather cannot be combined with --follow: it prints at the end"],
    ["--limit 2 web", "--limit is for many tasks: use it with --all, --any, --stack or --node"]
  ] as const)("refuses %j", ([line, message]) =>
    Effect.map(refused(logs, line), (found) => assert.strictEqual(found, message))
  )
})

describe("the command line of signal", () => {
  it.effect("takes its options before and after SIGNAL and TARGET", () =>
    Effect.gen(function* () {
      const action = { _tag: "Signal", signal: "SIGHUP" } as const
      for (const line of ["HUP web.2", "--via helper sighup web.2", "1 --via helper web.2", "SIGHUP web.2 --quiet"]) {
        assert.deepStrictEqual(yield* read(signal, line), { action, on: "web.2" })
      }
      for (const line of ["HUP --all web", "--all HUP web", "HUP web --all"]) {
        const { on } = yield* read(signal, line)
        assert(typeof on !== "string")
        assert.deepStrictEqual(on.services, ["web"])
      }
      const stack = yield* read(signal, "HUP --stack shop")
      assert.deepStrictEqual(stack.action, action)
    })
  )

  it.effect.each([
    ["", "SIGNAL is missing: name it before TARGET, as in task-exec signal HUP web.2"],
    ["web", "TARGET is missing: name a service or a task"],
    ["HUPP web", 'invalid signal "HUPP": expected a name such as HUP, or a number from 1 to 64'],
    ["HUP web extra", 'unexpected argument "extra"'],
    ["--stack shop", "SIGNAL is missing: name it before TARGET, as in task-exec signal HUP web.2"],
    ["HUP web --grace 1s", "--grace does not work with signal: it runs no command"]
  ] as const)("refuses %j", ([line, message]) =>
    Effect.map(refused(signal, line), (found) => assert.strictEqual(found, message))
  )
})

describe("completion", () => {
  it("offers targets, signals and options for logs and signal", () => {
    const wanted = (line: string) => completionContext(line.split(" "))
    assert.deepStrictEqual(wanted("logs -f w"), { _tag: "Target", before: "" })
    assert.deepStrictEqual(wanted("logs web.1,w"), { _tag: "Target", before: "web.1," })
    assert.deepStrictEqual(wanted("logs web "), { _tag: "Nothing" })
    assert.deepStrictEqual(wanted("logs web --fol"), { _tag: "Flag", verb: "logs" })
    const signals = wanted("signal H")
    assert(signals._tag === "Words")
    assert.include(
      signals.words.map(([word]) => word),
      "HUP"
    )
    assert.deepStrictEqual(wanted("signal HUP w"), { _tag: "Target", before: "" })
    assert.deepStrictEqual(wanted("signal HUP --stack shop "), { _tag: "Nothing" })
  })
})
