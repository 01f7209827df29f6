import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { labelKeys, ownershipLabels } from "../../../src/Labels.ts"
import { judge } from "../../../src/sweep/Verdict.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))
const text = Arbitrary.schema(Schema.NonEmptyString)
/** Any time until the year 5138. */
const time = integer(0, 99_999_999_999_000)

const labelsOf = (deadline: number) => ownershipLabels({ runId: "r", deadline, creator: "host:1" }, "helper")

describe("Verdict", () => {
  it.prop("what we label is past its deadline exactly when the time is over", [time, time], ([deadline, now]) => {
    const verdict = judge(labelsOf(deadline), now)
    assert(verdict._tag === "Alive" || verdict._tag === "Expired")
    // Labels know whole seconds, and round up.
    assert.isAtLeast(verdict.owner.deadline, deadline)
    assert.isBelow(verdict.owner.deadline, deadline + 1000)
    assert.strictEqual(verdict._tag, now > verdict.owner.deadline ? "Expired" : "Alive")
    if (now <= deadline) assert.strictEqual(verdict._tag, "Alive")
  })

  it("at its deadline an object is still alive", () => {
    assert.strictEqual(judge(labelsOf(5000), 5000)._tag, "Alive")
    assert.strictEqual(judge(labelsOf(5000), 5001)._tag, "Expired")
  })

  it.prop("the owner is read as it was written", [text, text], ([runId, creator]) => {
    const verdict = judge(ownershipLabels({ runId, deadline: 7000, creator }, "request"), 0)
    assert.deepStrictEqual(verdict, { _tag: "Alive", owner: { runId, role: "request", deadline: 7000, creator } })
  })

  it.prop("other labels change nothing", [text, text, time], ([key, value, now]) => {
    const name = `other.${key}`
    assert.deepStrictEqual(judge({ ...labelsOf(5000), [name]: value }, now), judge(labelsOf(5000), now))
    assert.strictEqual(judge({ [name]: value, [labelKeys.deadline]: "0" }, now)._tag, "Foreign")
  })

  it.prop("a deadline that is no decimal number of seconds is never past", [text, time], ([deadline, now]) => {
    const { _tag } = judge({ ...labelsOf(0), [labelKeys.deadline]: deadline }, now)
    assert.strictEqual(_tag === "Unreadable", !/^[0-9]{1,11}$/.test(deadline))
  })

  const late = Number.MAX_SAFE_INTEGER
  const unreadable: ReadonlyArray<string> = ["", " ", "soon", "-1", "+1", "1.5", "1e3", "0x10", " 1", "1 ", "1\n", "١٢"]
  it.each([...unreadable, "NaN", "Infinity", "-Infinity", "123456789012", "1_000"])("deadline %j", (deadline) => {
    assert.strictEqual(judge({ ...labelsOf(0), [labelKeys.deadline]: deadline }, late)._tag, "Unreadable")
  })

  it.each([labelKeys.deadline, labelKeys.role, labelKeys.creator])("without %s it is unreadable", (key) => {
    const { [key]: _, ...labels } = labelsOf(0)
    const verdict = judge(labels, late)
    assert(verdict._tag === "Unreadable")
    assert.include(verdict.detail, key)
  })

  it("without a run it is not ours, with an empty one it is unreadable", () => {
    const { [labelKeys.run]: _, ...labels } = labelsOf(0)
    assert.strictEqual(judge(labels, late)._tag, "Foreign")
    assert.strictEqual(judge({}, late)._tag, "Foreign")
    assert.strictEqual(judge({ ...labels, [labelKeys.run]: "" }, late)._tag, "Unreadable")
  })
})
