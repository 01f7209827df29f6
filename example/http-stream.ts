/**
 * An HTTP endpoint that streams the output of a command in a task, as it is written. If the client disconnects, the command is killed.
 *
 * When to use: a dashboard or a chat bot shows the progress of a long command, such as a backup.
 *
 *     node example/http-stream.ts [PORT]
 *     curl --no-buffer localhost:3000/tasks/demo_back.1/log
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TaskExec } from "task-exec"

// The client names the task only. A command from a client would be a shell for everyone.
const command = ["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 1; done"]

const log = HttpRouter.add(
  "GET",
  "/tasks/:target/log",
  Effect.gen(function* () {
    const { target } = yield* HttpRouter.schemaPathParams(Schema.Struct({ target: Schema.String }))
    const taskExec = yield* TaskExec
    const output = taskExec.stream({ target, command }).pipe(
      Stream.filter((event) => event._tag === "Stdout"),
      Stream.map((event) => event.data)
    )
    return HttpServerResponse.stream(output, { contentType: "text/plain; charset=utf-8" })
  })
)

const port = Number(process.argv[2] ?? 3000)

HttpRouter.serve(log).pipe(
  Layer.provide(NodeHttpServer.layer(createServer, { port })),
  Layer.provide(TaskExec.layer),
  Layer.launch,
  NodeRuntime.runMain
)
