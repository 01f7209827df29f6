/**
 * A cron of the cluster: runs a command on a schedule in one replica of a service, whichever runs then.
 *
 * When to use: a job must run once per cluster, and not once per replica. The service needs no cron and no leader election.
 *
 *     node example/cron.ts SERVICE SCHEDULE COMMAND...
 *     node example/cron.ts demo_back "0 3 * * *" ./cleanup
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { TaskExec } from "task-exec"

const [service = "demo_back", schedule = "0 3 * * *", ...command] = process.argv.slice(2)

const job = TaskExec.runAll({ selection: { services: [service], any: true }, command, timeout: "1 hour" }).pipe(
  Stream.runForEach((event) => {
    if (event._tag === "Stdout") return Effect.sync(() => process.stdout.write(event.data))
    if (event._tag === "Ended") return Console.log(`${event.task.name}: ${event.result._tag}`)
    return Effect.void
  }),
  // A run that fails, for example because no replica runs, must not stop the cron.
  Effect.catch((error) => Console.error(error.message))
)

// The next run waits for the one before.
const main = Effect.schedule(job, Schedule.cron(schedule))

main.pipe(Effect.provide(TaskExec.layer), NodeRuntime.runMain)
