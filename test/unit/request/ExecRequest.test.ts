import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { checkRequest } from "../../../src/request/CheckedRequest.ts"
import type { ExecRequest } from "../../../src/request/ExecRequest.ts"

/** A request from a program without types. */
const untyped = (part: object): ExecRequest => ({ target: "web", command: ["true"], ...part })

const refused = (part: object) => Effect.map(Effect.flip(checkRequest(untyped(part))), ({ message }) => message)

describe("a request", () => {
  it.effect("has times in milliseconds", () =>
    Effect.gen(function* () {
      const { grace, placementTimeout, timeout, wait } = yield* checkRequest({
        target: "web",
        command: ["true"],
        timeout: "2 minutes",
        grace: 0,
        wait: "1 second"
      })
      assert.deepStrictEqual([timeout, grace, placementTimeout, wait], [120_000, 0, 30_000, 1000])
    })
  )

  for (const [name, value, shown] of [
    ["timeout", "soon", '"soon"'],
    ["timeout", "5m", '"5m"'],
    ["timeout", Number.NaN, "NaN"],
    ["timeout", -5, "-5"],
    ["grace", Number.POSITIVE_INFINITY, "Infinity"],
    ["placementTimeout", true, "true"],
    ["wait", "", '""']
  ] as const) {
    it.effect(`is rejected with ${name} ${shown}`, () =>
      Effect.map(refused({ [name]: value }), (message) => {
        assert.strictEqual(message, `invalid request: ${name} must be a duration such as "90 seconds", not ${shown}`)
      })
    )
  }

  it.effect("is rejected without a command, and with NUL characters", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* refused({ command: [] }), "invalid request: the command is empty")
      assert.match(yield* refused({ command: ["a\0"] }), /must not contain NUL characters$/)
      assert.match(yield* refused({ env: { "a=b": "" } }), /"a=b" is not a valid variable name$/)
    })
  )
})
