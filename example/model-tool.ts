/**
 * A tool for a language model: runs commands in tasks, and the label `task-exec.allow` of each service says which ones. Serves the tool over
 * the Model Context Protocol on stdin and stdout, for assistants and editors.
 *
 * When to use: a model may look at a service, and the operators of the service decide how far. The model sees a refusal, and can say so.
 *
 *     docker service update --label-add 'task-exec.allow=[["uptime"],["df"]]' demo_back
 *     node example/model-tool.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import * as McpProtocol from "effect/ai/McpProtocol"
import * as McpServer from "effect/ai/McpServer"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { TaskExec } from "task-exec"

const RunInTask = Tool.make("run_in_task", {
  description: "Runs a command in the container of a Docker Swarm task. No shell: one word per argument.",
  parameters: Schema.Struct({
    target: Schema.String.annotate({ description: "The task, for example web.2" }),
    command: Schema.Array(Schema.String)
  }),
  success: Schema.Struct({ exitCode: Schema.Int, stdout: Schema.String, stderr: Schema.String }),
  failure: Schema.Struct({ error: Schema.String }),
  // The model reads the error, which says what is allowed.
  failureMode: "return"
})

/** `LanguageModel.generateText({ prompt, toolkit: Tools })` takes the same toolkit. */
export const Tools = Toolkit.make(RunInTask)

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(0, 10_000))

const Handlers = Tools.toLayer(
  Effect.map(TaskExec, (taskExec) => ({
    run_in_task: ({ command, target }) =>
      taskExec.run({ target, command, timeout: "30 seconds" }).pipe(
        Effect.map(({ exitCode, stderr, stdout }) => ({
          exitCode: exitCode ?? 0,
          stdout: text(stdout),
          stderr: text(stderr)
        })),
        Effect.mapError(({ message }) => ({ error: message }))
      )
  }))
)

McpServer.layerStdio({
  name: "task-exec",
  version: "1.0.0",
  protocols: [McpProtocol.v2025_11_25, McpProtocol.v2025_06_18],
  registrations: McpServer.toolkit(Tools)
}).pipe(
  Layer.provide(Handlers),
  Layer.provide(TaskExec.layer),
  Layer.provide(NodeStdio.layer),
  // stdout is the protocol's.
  Layer.provide(Layer.succeed(Logger.LogToStderr, true)),
  Layer.launch,
  NodeRuntime.runMain
)
