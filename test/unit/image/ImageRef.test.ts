import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { imageName, parseImageRef } from "../../../adapters/image/ImageRef.ts"

const good: ReadonlyArray<readonly [ref: string, repository: string, tag: string]> = [
  ["task-exec", "task-exec", "latest"],
  ["task-exec:1.2", "task-exec", "1.2"],
  ["team/task-exec", "team/task-exec", "latest"],
  ["a/b/c__d-e.f:_X", "a/b/c__d-e.f", "_X"],
  ["localhost/task-exec:dev", "localhost/task-exec", "dev"],
  ["127.0.0.1:5000/task-exec", "127.0.0.1:5000/task-exec", "latest"],
  ["Registry.Example:5000/task-exec:dev", "Registry.Example:5000/task-exec", "dev"],
  ["node-1:5000/task-exec", "node-1:5000/task-exec", "latest"],
  ["[::1]:5000/task-exec:dev", "[::1]:5000/task-exec", "dev"]
]

const bad: ReadonlyArray<readonly [ref: string, why: RegExp]> = [
  ["", /empty/],
  ["Task-Exec", /"Task-Exec" must consist of/],
  ["Team/task-exec", /"Team" must consist of/],
  ["task-exec:", /the tag ""/],
  ["task-exec:a b", /the tag "a b"/],
  [`task-exec:${"x".repeat(129)}`, /the tag/],
  ["x".repeat(256), /255/],
  ["task-exec@sha256:0123", /digest/],
  ["a//b", /empty/],
  ["/a", /empty/],
  ["a/", /empty/],
  ["a..b", /must consist of/],
  ["https://registry.example/task-exec", /the tag|must consist of/],
  ["registry.example:port/task-exec", /must consist of/]
]

describe("ImageRef", () => {
  it("parses and formats a name", () => {
    for (const [ref, repository, tag] of good) {
      assert.deepStrictEqual(parseImageRef(ref), Result.succeed({ repository, tag }), ref)
      assert.deepStrictEqual(parseImageRef(imageName({ repository, tag })), Result.succeed({ repository, tag }))
    }
  })

  it("explains an invalid name in one line", () => {
    for (const [ref, why] of bad) {
      const result = parseImageRef(ref)
      assert.isTrue(Result.isFailure(result), ref)
      if (Result.isFailure(result)) assert.match(result.failure.message, why)
    }
  })
})
