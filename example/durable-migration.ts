/**
 * A migration as a durable activity: for each version it runs once, although the workflow may be started again.
 *
 * When to use: a deployment has several steps, and must go on after a crash where it was. The engine in memory is for tests and for this
 * example: with `effect/cluster` and a database, the result outlives the process.
 *
 *     node example/durable-migration.ts TARGET VERSION
 *     node example/durable-migration.ts demo_back.1 42
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { RunError, TaskExec } from "task-exec"

class MigrationFailed extends Schema.TaggedError<MigrationFailed>()("MigrationFailed", {
  exitCode: Schema.UndefinedOr(Schema.Int)
}) {}

/** The errors of task-exec are schemas, so that the engine can store them. */
const DeployError = Schema.Union([RunError, MigrationFailed])

const Deploy = Workflow.make("Deploy", {
  payload: { target: Schema.String, version: Schema.String },
  success: Schema.String,
  error: DeployError,
  // A version is deployed once.
  idempotencyKey: ({ version }) => version
})

const migrate = (target: string, version: string) =>
  Activity.make({
    name: "migrate",
    success: Schema.String,
    error: DeployError,
    execute: Effect.gen(function* () {
      yield* Console.log(`migrating to version ${version}`)
      const command = ["echo", `3 tables changed by version ${version}`]
      const { exitCode, stdout } = yield* TaskExec.run({ target, command, timeout: "10 minutes" })
      if (exitCode !== 0) return yield* new MigrationFailed({ exitCode })
      return new TextDecoder().decode(stdout).trim()
    })
  })

const Engine = Deploy.toLayer(({ target, version }) => migrate(target, version)).pipe(
  Layer.provideMerge(WorkflowEngine.layerMemory),
  Layer.provide(TaskExec.layer)
)

const [target = "demo_back.1", version = "42"] = process.argv.slice(2)

const main = Effect.gen(function* () {
  yield* Console.log(yield* Deploy.execute({ target, version }))
  // The second start finds the result of the first one.
  yield* Console.log(yield* Deploy.execute({ target, version }))
})

main.pipe(Effect.provide(Engine), NodeRuntime.runMain)
