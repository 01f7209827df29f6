import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { splitWords, UnclosedQuote } from "../../../adapters/skopos/Words.ts"

const words = (text: string) => Result.getOrThrow(splitWords(text))

/** The words into which the machine's own shell splits each text. `undefined` after a syntax error. */
const shellWords = (texts: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string> | undefined> => {
  // A syntax error ends a shell, here that of its text only.
  const script =
    'for text; do (eval "set -- $text"; for word; do printf "%s\\0" "$word"; done) && printf "\\1" || printf "\\2"; done'
  const { stdout } = spawnSync("sh", ["-c", script, "sh", ...texts], { encoding: "utf8" })
  return [...stdout.matchAll(/([^\u0001\u0002]*)([\u0001\u0002])/g)].map(([, found = "", end]) =>
    end === "\u0001" ? found.split("\0").slice(0, -1) : undefined
  )
}

/** Texts of characters that matter for splitting. */
const Tricky = Arbitrary.map(
  Arbitrary.array(Arbitrary.schema(Schema.Literals(["a", "b", " ", "\t", "\r", "'", '"', "\\"])), { maxLength: 12 }),
  (chars) => chars.join("")
)

describe("splitWords", () => {
  it.each([
    ["", []],
    ["  \t\n ", []],
    ["true", ["true"]],
    ["sleep 5", ["sleep", "5"]],
    ["  sleep \t 5\n", ["sleep", "5"]],
    ["echo ''", ["echo", ""]],
    ['echo ""', ["echo", ""]],
    ["echo 'a  b'", ["echo", "a  b"]],
    ['echo "a  b"', ["echo", "a  b"]],
    ["a'b'\"c\"d", ["abcd"]],
    ["a\\ b", ["a b"]],
    ["\\a\\'\\\"\\\\", ["a'\"\\"]],
    ["'a\\b'", ["a\\b"]],
    ['"a\\b\\$\\`\\"\\\\"', ['a\\b$`"\\']],
    ["a\\\nb", ["ab"]],
    ['"a\\\nb"', ["ab"]],
    ["a \\\n b", ["a", "b"]],
    ["a\\", ["a\\"]],
    ["sh -c 'echo \"$HOME\"; ls *'", ["sh", "-c", 'echo "$HOME"; ls *']],
    ["echo $HOME ~ * # ; | & > `x` $(y)", ["echo", "$HOME", "~", "*", "#", ";", "|", "&", ">", "`x`", "$(y)"]],
    ["grün 日本 🐳", ["grün", "日本", "🐳"]]
  ])("%j", (text, expected) => {
    assert.deepStrictEqual(words(text), expected)
  })

  it.each([
    ["'", "'", 1],
    ["a 'b", "'", 3],
    ['ab "c d', '"', 4],
    ['"a\\"', '"', 1],
    ["'a' \"b' ", '"', 5]
  ] as const)("%j is not closed", (text, quote, position) => {
    assert.deepStrictEqual(Result.getOrThrow(Result.flip(splitWords(text))), new UnclosedQuote({ quote, position }))
  })

  it("does not show the text in errors", () => {
    assert.strictEqual(Result.getOrThrow(Result.flip(splitWords("login 'secret"))).message, "unclosed ' at character 7")
  })

  it.prop("returns quoted words", [Schema.Array(Schema.String)], ([list]) => {
    const quoted = list.map((word) => `'${word.replaceAll("'", "'\\''")}'`)
    assert.deepStrictEqual(words(quoted.join(" ")), list)
  })

  it.prop("returns escaped words", [Schema.Array(Schema.String)], ([list]) => {
    const escaped = list.map((word) => `"${word.replaceAll(/[$`"\\]/g, "\\$&")}"`)
    assert.deepStrictEqual(words(escaped.join("\t")), list)
  })

  it.prop(
    "agrees with sh",
    [Arbitrary.array(Tricky, { minLength: 10, maxLength: 10 })],
    ([texts]) => {
      assert.deepStrictEqual(
        texts.map((text) => Result.getOrUndefined(splitWords(text))),
        shellWords(texts)
      )
    },
    // Each run starts a shell.
    { arbitrary: { runs: 30 } }
  )
})
