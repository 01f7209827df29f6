import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Yaml from "effect/encoding/Yaml"
import * as Schema from "effect/Schema"
import { readInstExec } from "../../../adapters/skopos/InstExecInput.ts"

const Step = Schema.Struct({
  call: Schema.Struct({
    plugin: Schema.Literal("swarm-exec"),
    action: Schema.Literal("inst_exec"),
    arguments: Schema.Record(Schema.String, Schema.Unknown)
  })
})

const Model = Schema.Struct({
  components: Schema.Record(
    Schema.String,
    Schema.Struct({
      lifecycle: Schema.optionalKey(Schema.Struct({ quality_probe: Schema.Struct({ steps: Schema.Array(Step) }) }))
    })
  )
})

describe("the example model", () => {
  it.effect("calls the plugin with valid input", () =>
    Effect.gen(function* () {
      const file = join(import.meta.dirname, "../../../example/skopos/model.yaml")
      const { components } = yield* Schema.decodeUnknownEffect(Model)(Yaml.parse(readFileSync(file, "utf8")))
      const steps = Object.values(components).flatMap(({ lifecycle }) => lifecycle?.quality_probe.steps ?? [])
      const requests = yield* Effect.forEach(steps, ({ call }) =>
        readInstExec({ ...call.arguments, inst: [{ id: "k3x8wfzp1" }] })
      )
      const shell = ["sh", "-c", "wget -q -O /dev/null http://localhost:8080/ && echo yes"]
      assert.deepStrictEqual(
        requests.map(({ command, timeout }) => ({ command, timeout })),
        [
          { command: ["sleep", "3"], timeout: 30_000 },
          { command: shell, timeout: 30_000 }
        ]
      )
    })
  )
})
