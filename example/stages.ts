/**
 * Composes a run from its stages: look up the task, create a helper on its node, exec, await the exit, clean up.
 *
 *     node example/stages.ts TARGET [COMMAND...]
 *     node example/stages.ts demo_back.1 hostname
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { awaitExit, createHelper, exec, HelperImage, lookupTask, parseTarget, Swarm } from "task-exec"

const main = Effect.gen(function* () {
  const [name = "demo_back.1", program = "hostname", ...words] = process.argv.slice(2)

  const target = yield* Effect.fromResult(parseTarget(name))
  const task = yield* lookupTask(target)
  yield* Console.error(`${task.name} runs on ${task.node.hostname}`)

  // The scope removes the helper with its secret, its network and all processes that it started.
  const helper = yield* createHelper(task, { command: [program, ...words], timeout: "5 minutes" })
  yield* Console.error("the helper is ready")

  const { events } = exec(helper)
  const code = yield* awaitExit(events, (event) =>
    Effect.sync(() => {
      if (event._tag === "Stdout") process.stdout.write(event.data)
      if (event._tag === "Stderr") process.stderr.write(event.data)
    })
  )
  yield* Console.error(`the command ended with exit code ${code}`)
  process.exitCode = code
}).pipe(Effect.scoped)

/** Prints the error and sets this exit code. */
const endWith =
  (code: number) =>
  ({ message }: { readonly message: string }) =>
    Effect.andThen(
      Console.error(message),
      Effect.sync(() => {
        process.exitCode = code
      })
    )

main.pipe(
  Effect.catchTags({ ExecTimeout: endWith(124), TaskNotFound: endWith(125), CommandNotFound: endWith(126) }),
  Effect.provide(HelperImage.layer),
  Effect.provide(Swarm.layer),
  Effect.tapError(({ message }) => Console.error(message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
