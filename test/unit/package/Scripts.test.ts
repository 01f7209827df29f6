import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

const file = join(import.meta.dirname, "..", "..", "..", "package.json")
const Package = Schema.fromJsonString(Schema.Struct({ scripts: Schema.Record(Schema.String, Schema.String) }))

it("each script ends with exec: npm sends signals only to the shell", () => {
  const { scripts } = Schema.decodeUnknownSync(Package)(readFileSync(file, "utf8"))
  const lasts = Object.values(scripts).flatMap((script) => script.split(" && ").slice(1).slice(-1))
  const left = lasts.filter((last) => /^(?:node|vitest) /.test(last))
  assert.deepStrictEqual(left, [])
  assert(lasts.includes("exec vitest run"))
})
