import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { allows, type Entry, type Policy, parsePolicy } from "../../../src/policy/Policy.ts"

const parsed = (text: string): Policy => Result.getOrThrow(parsePolicy(text))
const program = (word: string): Entry => ({ _tag: "Program", program: word })
const line = (...words: ReadonlyArray<string>): Entry => ({ _tag: "CommandLine", words })
const only = (...entries: ReadonlyArray<Entry>): Policy => ({ _tag: "Only", entries })
const mayRun = (text: string, ...[first = "", ...words]: ReadonlyArray<string>) =>
  allows(parsed(text), { _tag: "Run", command: [first, ...words] })
const mayCopy = (text: string) => allows(parsed(text), { _tag: "Copy" })

describe("the label task-exec.allow", () => {
  for (const [text, policy] of [
    ["true", { _tag: "Everything" }],
    [" true\n", { _tag: "Everything" }],
    ["false", only()],
    ["", only()],
    [" , \n,", only()],
    ["nginx", only(program("nginx"))],
    ["nginx, df", only(program("nginx"), program("df"))],
    ["nginx\ndf\r\n/usr/bin/id,", only(program("nginx"), program("df"), program("/usr/bin/id"))],
    ["ls  -l\t/srv,df", only(line("ls", "-l", "/srv"), program("df"))],
    // Alone, these words mean all or nothing. In a list and in JSON, they are programs.
    ["true,df", only(program("true"), program("df"))],
    ['["false"]', only(program("false"))],
    ["True", only(program("True"))],
    ["[]", only()],
    [
      '["nginx", ["df"], ["sh", "-c", "a, b \\"c\\""]]',
      only(program("nginx"), line("df"), line("sh", "-c", 'a, b "c"'))
    ]
  ] as const) {
    it(`${JSON.stringify(text)} is understood`, () => assert.deepStrictEqual(parsed(text), policy))
  }

  for (const [text, detail] of [
    ['sh -c "df"', /^" is only allowed in a JSON list/],
    ["nginx, it's", /^' is only allowed/],
    ["ls \\, df", /^\\ is only allowed/],
    ["*", /^\* is only allowed/],
    ["[nginx]", /expected a JSON list/],
    ['["nginx"', /expected a JSON list/],
    ['["nginx"] df', /expected a JSON list/],
    ['[""]', /expected a JSON list/],
    ["[[]]", /expected a JSON list/],
    ["[1]", /expected a JSON list/],
    ['[["df", 1]]', /expected a JSON list/],
    ['[{"program": "df"}]', /expected a JSON list/]
  ] as const) {
    it(`${JSON.stringify(text)} is refused`, () => {
      const result = parsePolicy(text)
      assert.match(Result.isFailure(result) ? result.failure.message : "", detail)
    })
  }
})

describe("permissions", () => {
  for (const [text, command, expected] of [
    ["true", ["sh"], true],
    ["false", ["false"], false],
    ["", ["df"], false],
    ["df", ["df"], true],
    ["df", ["df", "-h", "/"], true],
    ["df", ["/bin/df"], false],
    ["/bin/df", ["df"], false],
    ["/bin/df", ["/bin/df", "/"], true],
    ["df", ["DF"], false],
    ["df", ["df "], false],
    ["df", ["dfx"], false],
    ["ls -l", ["ls", "-l"], true],
    ["ls -l", ["ls"], false],
    ["ls -l", ["ls", "-l", "/"], false],
    ["ls -l", ["ls -l"], false],
    ['[["df"]]', ["df"], true],
    ['[["df"]]', ["df", "/"], false],
    ['["a b"]', ["a b", "c"], true],
    ["sh", ["sh", "-c", "anything"], true]
  ] as const) {
    it(`${JSON.stringify(text)} ${expected ? "allows" : "forbids"} ${JSON.stringify(command)}`, () =>
      assert.strictEqual(mayRun(text, ...command), expected))
  }

  for (const [text, expected] of [
    ["true", true],
    ["false", false],
    ["df", false],
    ["df, cp", true],
    ["/bin/cp", false],
    ["cp a b", false],
    ['[["cp"]]', false]
  ] as const) {
    it(`${JSON.stringify(text)} ${expected ? "lets" : "does not let"} files be copied`, () =>
      assert.strictEqual(mayCopy(text), expected))
  }
})

const text = Arbitrary.schema(Schema.String)
/** The characters of lists. */
const scrap = Arbitrary.map(
  Arbitrary.array(
    Arbitrary.schema(
      Schema.Literals(["true", "false", "df", "sh", "-c", "/", "a", ",", "\n", " ", "[", "]", '"', "*"])
    ),
    { maxLength: 12 }
  ),
  (parts) => parts.join("")
)
const word = Arbitrary.schema(Schema.Literals(["df", "sh", "-c", "/bin/df", "a", "true", "é"]))
const words = Arbitrary.array(word, { minLength: 1, maxLength: 3 })
const lists = Arbitrary.array(words, { minLength: 1, maxLength: 4 })
const anything = Arbitrary.array(Arbitrary.schema(Schema.NonEmptyString), { minLength: 1, maxLength: 4 })

describe("any text", () => {
  for (const [name, some] of [
    ["any", text],
    ["nearly right", scrap]
  ] as const) {
    it.prop(`${name}: except for "true" only listed commands are allowed`, [some, words], ([label, command]) => {
      const result = parsePolicy(label)
      if (Result.isFailure(result) || label.trim() === "true") return
      const [first = "", ...more] = command
      const isAllowed = allows(result.success, { _tag: "Run", command: [first, ...more] })
      assert.isTrue(!isAllowed || label.includes(first), JSON.stringify({ label, command }))
    })
  }

  it.prop("a list and its JSON form allow the same commands", [lists, words], ([all, [first = "", ...more]]) => {
    const asText = all.map((one) => one.join(" ")).join(",")
    if (asText === "true") return
    const asJson = JSON.stringify(all.map((one) => (one.length === 1 ? one[0] : one)))
    const command = [first, ...more] as const
    assert.deepStrictEqual(parsed(asText), parsed(asJson))
    assert.strictEqual(mayRun(asText, ...command), mayRun(asJson, ...command))
    const expected = all.some((one) =>
      one.length === 1 ? one[0] === first : JSON.stringify(one) === JSON.stringify(command)
    )
    assert.strictEqual(mayRun(asText, ...command), expected)
  })

  it.prop("JSON takes every word literally", [anything, text], ([command, other]) => {
    assert.isTrue(mayRun(JSON.stringify([command]), ...command))
    assert.isTrue(mayRun(JSON.stringify([command[0]]), ...command))
    assert.isFalse(mayRun(JSON.stringify([command]), ...command, other))
  })
})
