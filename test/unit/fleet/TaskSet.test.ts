import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { byName, foldNames } from "../../../src/fleet/TaskSet.ts"

/** The names that a folded text means. */
const unfold = (text: string): ReadonlyArray<string> =>
  text === ""
    ? []
    : text.split(/,(?![^[]*\])/).flatMap((part) => {
        const [, stem, list] = /^(.*)\[(.*)\]$/.exec(part) ?? []
        if (stem === undefined || list === undefined) return [part]
        return list.split(",").flatMap((run) => {
          const [from = "", to = from] = run.split("-")
          const count = Number(to) - Number(from) + 1
          return Array.from({ length: count }, (_, at) => stem + String(Number(from) + at).padStart(from.length, "0"))
        })
      })

const cases: ReadonlyArray<readonly [string, string]> = [
  ["", ""],
  ["web.2", "web.2"],
  ["web", "web"],
  ["web.1 web.2 web.3 web.6", "web.[1-3,6]"],
  ["web.10 web.9 web.2 web.11", "web.[2,9-11]"],
  ["web.1 web.2", "web.[1-2]"],
  ["web.2 web.2", "web.2"],
  ["web.1 api.1 web.2 db.1", "api.1,db.1,web.[1-2]"],
  ["agent@node-1 agent@node-2", "agent@node-[1-2]"],
  ["agent@node-1 agent@node-2 agent@manager", "agent@manager,agent@node-[1-2]"],
  // Leading zeros are part of the name.
  ["db@node-08 db@node-09 db@node-10 db@node-11", "db@node-[08-11]"],
  ["db@node-1 db@node-01", "db@node-01,db@node-1"],
  ["db@n0 db@n1 db@n2", "db@n[0-2]"],
  ["db@n00 db@n99 db@n100 db@n101", "db@n[00,99],db@n[100-101]"],
  // Only the last number is folded.
  ["web1.1 web2.1", "web1.1,web2.1"],
  ["a@ip-10-0-0-1 a@ip-10-0-0-2 a@ip-10-0-1-1", "a@ip-10-0-0-[1-2],a@ip-10-0-1-1"],
  ["x1234567890123456 x1234567890123457", "x1234567890123456,x1234567890123457"]
]

const name = Arbitrary.map(
  Arbitrary.all([
    Arbitrary.schema(Schema.Literals(["web.", "web@node-", "w", "w1.", "9", "a b ", ""])),
    Arbitrary.schema(Schema.Literals(["", "0", "00", "1", "01", "2", "3", "09", "9", "10", "11", "12", "100", "0100"]))
  ]),
  ([stem, number]) => stem + number
)

describe("TaskSet", () => {
  it("folds names that differ in their last number", () => {
    for (const [names, folded] of cases) {
      assert.strictEqual(foldNames(names === "" ? [] : names.split(" ")), folded)
      assert.deepStrictEqual([...unfold(folded)].sort(), [...new Set(names === "" ? [] : names.split(" "))].sort())
    }
  })

  it.prop("a folded text means each of its names once", [Arbitrary.array(name, { maxLength: 30 })], ([names]) => {
    // A single empty name is invisible.
    const some = names.filter((text) => text !== "")
    assert.deepStrictEqual([...unfold(foldNames(some))].sort(), [...new Set(some)].sort())
  })

  it.prop("does not depend on the order", [Arbitrary.array(name, { maxLength: 30 })], ([names]) => {
    assert.deepStrictEqual([...names].reverse().sort(byName), [...names].sort(byName))
    assert.strictEqual(foldNames([...names].reverse()), foldNames(names))
  })

  it("orders numbers by value", () => {
    const names = ["web", "web1.1", "web2.1", "web10.1", "web.1", "web.2", "web.10", "web.10a"]
    assert.deepStrictEqual([...names].reverse().sort(byName), names)
  })

  it("folds ten thousand names", () => {
    const names = Array.from({ length: 10_000 }, (_, at) => `web.${10_000 - at}`)
    assert.strictEqual(foldNames(names), "web.[1-10000]")
  })
})
