import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { labelKeys, ownershipLabels } from "../../../src/Labels.ts"
import { judge, type Selection } from "../../../src/sweep/Verdict.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))
const text = Arbitrary.schema(Schema.NonEmptyString)
/** Any time until the year 5138. */
const time = integer(0, 99_999_999_999_000)

const labelsOf = (deadline: number) => ownershipLabels({ runId: "r", deadline, creator: "host:1" }, "helper")

const at = (now: number): Selection => ({ _tag: "PastDeadline", now })
const ofRuns = (...runs: ReadonlyArray<string>): Selection => ({ _tag: "OfRuns", runs })

describe("the verdict of a sweep", () => {
  it.prop("an object is past its deadline exactly after it", [time, time], ([deadline, now]) => {
    const verdict = judge(labelsOf(deadline), at(now))
    assert(verdict._tag === "Alive" || verdict._tag === "Leftover")
    // Labels have whole seconds, rounded up.
    assert.isAtLeast(verdict.owner.deadline, deadline)
    assert.isBelow(verdict.owner.deadline, deadline + 1000)
    assert.strictEqual(verdict._tag, now > verdict.owner.deadline ? "Leftover" : "Alive")
    if (now <= deadline) assert.strictEqual(verdict._tag, "Alive")
  })

  it("an object is alive at its deadline", () => {
    assert.strictEqual(judge(labelsOf(5000), at(5000))._tag, "Alive")
    assert.strictEqual(judge(labelsOf(5000), at(5001))._tag, "Leftover")
  })

  it.prop("the owner is decoded as it was encoded", [text, text], ([runId, creator]) => {
    const verdict = judge(ownershipLabels({ runId, deadline: 7000, creator }, "request"), at(0))
    assert.deepStrictEqual(verdict, { _tag: "Alive", owner: { runId, role: "request", deadline: 7000, creator } })
  })

  it.prop("other labels change nothing", [text, text, time], ([key, value, now]) => {
    const name = `other.${key}`
    assert.deepStrictEqual(judge({ ...labelsOf(5000), [name]: value }, at(now)), judge(labelsOf(5000), at(now)))
    assert.strictEqual(judge({ [name]: value, [labelKeys.deadline]: "0" }, at(now))._tag, "Foreign")
  })

  it.prop("an invalid deadline never passes", [text, time], ([deadline, now]) => {
    const { _tag } = judge({ ...labelsOf(0), [labelKeys.deadline]: deadline }, at(now))
    assert.strictEqual(_tag === "Unreadable", !/^[0-9]{1,11}$/.test(deadline))
  })

  const late = Number.MAX_SAFE_INTEGER
  const unreadable: ReadonlyArray<string> = ["", " ", "soon", "-1", "+1", "1.5", "1e3", "0x10", " 1", "1 ", "1\n", "١٢"]
  it.each([...unreadable, "NaN", "Infinity", "-Infinity", "123456789012", "1_000"])(
    "an object with the deadline %j is unreadable",
    (deadline) => {
      assert.strictEqual(judge({ ...labelsOf(0), [labelKeys.deadline]: deadline }, at(late))._tag, "Unreadable")
    }
  )

  it.each([labelKeys.deadline, labelKeys.role, labelKeys.creator])("labels without %s are unreadable", (key) => {
    const { [key]: _, ...labels } = labelsOf(0)
    const verdict = judge(labels, at(late))
    assert(verdict._tag === "Unreadable")
    assert.include(verdict.detail, key)
  })

  it("an object without a run is not ours, with an empty run it is unreadable", () => {
    const { [labelKeys.run]: _, ...labels } = labelsOf(0)
    assert.strictEqual(judge(labels, at(late))._tag, "Foreign")
    assert.strictEqual(judge({}, at(late))._tag, "Foreign")
    assert.strictEqual(judge({ ...labels, [labelKeys.run]: "" }, at(late))._tag, "Unreadable")
  })

  it.prop(
    "named runs: removes everything, and nothing of others, whatever the deadline",
    [text, text, time],
    ([a, b, deadline]) => {
      const labels = ownershipLabels({ runId: a, deadline, creator: "host:1" }, "helper")
      assert.strictEqual(judge(labels, ofRuns("other", a))._tag, "Leftover")
      assert.strictEqual(judge(labels, ofRuns(b))._tag, a === b ? "Leftover" : "Foreign")
      assert.strictEqual(judge(labels, ofRuns())._tag, "Foreign")
      // Neither a prefix of an ID nor a pattern.
      assert.strictEqual(
        judge(labels, ofRuns(`${a}.`, `.${a}`, a.slice(1), ".*"))._tag,
        a === ".*" ? "Leftover" : "Foreign"
      )
    }
  )

  it("named runs: reports incomplete labels only of these runs", () => {
    const labels = { ...labelsOf(0), [labelKeys.deadline]: "soon" }
    assert.strictEqual(judge(labels, ofRuns("r"))._tag, "Unreadable")
    assert.strictEqual(judge(labels, ofRuns("other"))._tag, "Foreign")
    assert.strictEqual(judge({}, ofRuns("r"))._tag, "Foreign")
  })
})
