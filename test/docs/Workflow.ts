/** A workflow of GitHub Actions: the part that the documentation uses. */
import * as Yaml from "effect/encoding/Yaml"
import * as Schema from "effect/Schema"

const Environment = Schema.Record(Schema.String, Schema.String)

/** A step: an action with `uses`, or a script with `run`. */
const Step = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  uses: Schema.optionalKey(Schema.String),
  run: Schema.optionalKey(Schema.String),
  env: Schema.optionalKey(Environment),
  with: Schema.optionalKey(Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Finite])))
})

/** A step: an action with `uses`, or a script with `run`. */
export type Step = typeof Step.Type

const Workflow = Schema.Struct({
  name: Schema.String,
  on: Schema.Struct({ push: Schema.Struct({ branches: Schema.Array(Schema.String) }) }),
  jobs: Schema.Record(
    Schema.String,
    Schema.Struct({ "runs-on": Schema.String, env: Schema.optionalKey(Environment), steps: Schema.Array(Step) })
  )
})

/** Reads a workflow. Throws if it has a key that this schema lacks, because a test would then run less than the workflow. */
export const workflowOf = (text: string): typeof Workflow.Type =>
  Schema.decodeUnknownSync(Workflow, { onExcessProperty: "error" })(Yaml.parse(text))

/** Replaces each `${{ NAME }}` by its value. Throws if a value is missing. */
export const evaluate = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(/\$\{\{\s*([\w.]+)\s*\}\}/g, (expression, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`no value for ${expression}`)
    return value
  })
