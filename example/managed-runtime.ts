/**
 * Commands in tasks from a program without Effect: an HTTP server of Node whose handlers are promises.
 *
 * When to use: parts of your program use Effect, or need a layer that `task-exec/promise` has no option for. Otherwise use that.
 *
 *     node example/managed-runtime.ts [PORT]
 *     curl localhost:3000/demo_back.1
 */
import { createServer } from "node:http"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { TaskExec } from "task-exec"

// One runtime for the whole program: it connects once, and keeps the connections.
const runtime = ManagedRuntime.make(TaskExec.layer)

const uptime = (target: string): Promise<string> =>
  TaskExec.run({ target, command: ["uptime"], timeout: "10 seconds" }).pipe(
    Effect.map(({ stdout }) => new TextDecoder().decode(stdout)),
    // A promise has no typed errors, so they end here.
    Effect.catchTag("TaskNotFound", () => Effect.succeed(`there is no task ${target}\n`)),
    runtime.runPromise
  )

const server = createServer(async (request, response) => {
  try {
    response.end(await uptime(request.url?.slice(1) ?? ""))
  } catch (error) {
    response.writeHead(502).end(`${error}\n`)
  }
})

server.listen(Number(process.argv[2] ?? 3000), () => console.log("listening on", server.address()))
process.once("SIGTERM", () => server.close(() => runtime.dispose()))
