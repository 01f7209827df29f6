import { assert, describe, it } from "@effect/vitest"
import { errors } from "../../../adapters/docs/Errors.ts"
import * as library from "../../../src/index.ts"

const samples = Object.values(errors).flatMap((doc) => doc.samples)

describe("the errors of the library", () => {
  it("are all on the page of errors", () => {
    const classes = Object.entries(library).flatMap(([name, value]) =>
      typeof value === "function" && value.prototype instanceof Error ? name : []
    )
    assert.isAbove(classes.length, 40)
    assert.sameMembers(Object.keys(errors), classes)
    for (const [name, { samples }] of Object.entries(errors))
      for (const { _tag } of samples) assert.strictEqual(_tag, name)
  })

  it("have a message of one sentence, followed by the next step", () => {
    for (const { _tag, hint = "", message, summary = message } of samples) {
      assert.match(message, /^(?:[a-z"]|"TARGET")/, `${_tag} begins in lower case`)
      assert.isTrue(message.startsWith(summary), _tag)
      assert.isTrue(message.endsWith(hint), _tag)
      assert.notMatch(message, /\.\.|\. \.| {2}|undefined|NaN/, _tag)
      // A hint is a sentence, or ends with a command to copy.
      if (hint !== "") assert.match(hint, /^(?:[A-Z].*(?:\.|'…'|: \S.*))$/, _tag)
    }
  })

  it("are one line, except for the one about the helper's image, which takes two more", () => {
    for (const { _tag, message } of samples) {
      assert.strictEqual(message.split("\n").length, _tag === "HelperImageUnavailable" ? 3 : 1, _tag)
    }
  })

  it("name the command that the docs teach", () => {
    for (const { _tag, message } of samples) assert.notInclude(message, "swarm-exec", _tag)
  })
})
