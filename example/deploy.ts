/**
 * A step of a deployment with a rollback: runs the migration in one task of the new version. Its test is `deploy.test.ts`.
 *
 * When to use: as a model for code that you want to test without a swarm. It takes the service `TaskExec` from the context.
 */
import * as Effect from "effect/Effect"
import { TaskExec } from "task-exec"

/** Returns what to do with the new version. */
export const migrate = Effect.fn(
  function* (target: string) {
    const { exitCode } = yield* TaskExec.run({ target, command: ["./migrate"], wait: "1 minute", timeout: "5 minutes" })
    return exitCode === 0 ? "keep" : "roll back"
  },
  // The task of the new version never ran, so the database is as it was.
  Effect.catchTag("WaitTimedOut", () => Effect.succeed("roll back" as const)),
  // Whether the migration has ended is known here. If it may still run, nobody may touch the database.
  Effect.catchTag("ExecTimeout", (error) =>
    error.killResult._tag === "Killed" ? Effect.succeed("roll back" as const) : Effect.fail(error)
  )
)
