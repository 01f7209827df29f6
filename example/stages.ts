/**
 * A run, composed stage by stage: look up the task, create a service on its node, exec, await the exit, clean up.
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

  // Removed with its secret, its network and all that it started, when the scope closes.
  const helper = yield* createHelper(task, { command: [program, ...words], timeout: "5 minutes" })
  yield* Console.error("its node has a helper")

  const { events } = exec(helper)
  const code = yield* awaitExit(events, (event) =>
    Effect.sync(() => {
      if (event._tag === "Stdout") process.stdout.write(event.data)
      if (event._tag === "Stderr") process.stderr.write(event.data)
    })
  )
  yield* Console.error(`it ended with exit code ${code}`)
  process.exitCode = code
}).pipe(Effect.scoped)

/** Says what is wrong, and ends with this code. */
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
