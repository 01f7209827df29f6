/**
 * Prints a command's lines as they arrive and kills the command after 4 seconds. The error of a timeout tells whether the
 * command was killed.
 *
 *     node example/watch.ts TARGET [COMMAND...]
 *     node example/watch.ts demo_back.1
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { TaskExec } from "task-exec"

const endless = ["sh", "-c", "while true; do uptime; sleep 1; done"]

const main = Effect.gen(function* () {
  const [target = "demo_back.1", ...command] = process.argv.slice(2)
  const events = TaskExec.stream({
    target,
    command: command.length > 0 ? command : endless,
    timeout: "4 seconds",
    grace: "1 second"
  })
  yield* events.pipe(
    Stream.tap((event) => {
      if (event._tag === "Resolved") return Console.log(`${event.task.name} on ${event.task.node.hostname}:`)
      if (event._tag === "Exited") return Console.log(`the command ended with exit code ${event.code}`)
      return Effect.void
    }),
    Stream.filter((event) => event._tag === "Stdout"),
    Stream.map((event) => event.data),
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => Console.log(`  ${line}`))
  )
}).pipe(
  Effect.catchTag("ExecTimeout", ({ after, killResult }) =>
    killResult._tag === "Killed"
      ? Console.log(`timed out after ${after / 1000} s: the command and everything it started were killed`)
      : Effect.die(`the command may still be running: ${killResult._tag}`)
  )
)

main.pipe(
  Effect.provide(TaskExec.layer),
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
