/**
 * A step of a deployment: runs a command in one task of a service, on any node, and exits with the command's exit code.
 *
 *     node example/deploy-migrate.ts TARGET [COMMAND...]
 *     node example/deploy-migrate.ts demo_back.1
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { TaskExec } from "task-exec"

/** An example. A real service runs `["bin/rails", "db:migrate"]`, `["php", "artisan", "migrate"]`, … */
const migration = ["sh", "-c", 'echo "migrating on $NODE"; sleep 1; echo "3 tables changed"']

const main = Effect.gen(function* () {
  const [target = "demo_back.1", ...command] = process.argv.slice(2)
  const { exitCode, stderr, stdout, task } = yield* TaskExec.run({
    target,
    command: command.length > 0 ? command : migration,
    timeout: "5 minutes"
  })
  yield* Console.log(`${task.name} on ${task.node.hostname} ended with exit code ${exitCode}`)
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  process.exitCode = exitCode
})

main.pipe(
  Effect.provide(TaskExec.layer),
  // Every error (no such task, no manager, timeout, …) has a message for people and fields for programs.
  Effect.tapError((error) => Console.error(error.message)),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
