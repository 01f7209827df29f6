import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { parseInput, readInput } from "../../../adapters/skopos/PluginInput.ts"

describe("parseInput", () => {
  it.effect.each(["", " \n"])("%j is an empty object", (text) =>
    Effect.map(parseInput(text), (input) => assert.deepStrictEqual(input, { text: "{}", value: {} }))
  )

  it.effect("keeps the original text", () =>
    Effect.gen(function* () {
      const text = ' { "b":1.0, "a":{"c":[]} } '
      assert.deepStrictEqual(yield* parseInput(text), { text, value: { b: 1, a: { c: [] } } })
      assert.deepStrictEqual(yield* readInput(text), { text, value: { b: 1, a: { c: [] } } })
    })
  )

  it.effect.each([
    ["[]", "expected a JSON object"],
    ['"a"', "expected a JSON object"],
    ["null", "expected a JSON object"],
    ["7", "expected a JSON object"],
    ['{"a":', "Unexpected end of JSON input"],
    ["hunter2", "Unexpected token 'h'"],
    ['{"command": hunter2}', "Unexpected token 'h'"],
    ['{"command": "x"\n "password": "hunter2"}', "Expected ',' or '}' after property value in JSON"],
    ['{"a": "hunter2\n"}', "Bad control character in string literal in JSON"]
  ] as const)("%j is wrong", ([text, detail]) =>
    Effect.map(Effect.flip(parseInput(text)), ({ message }) => {
      assert.isTrue(message.startsWith(`Failed to parse input data for plugin swarm-exec: ${detail}`), message)
      assert.notMatch(message, /hunter2|\n/)
    })
  )
})
