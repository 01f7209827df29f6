/** Deploys `stack.yaml`. */

import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Yaml from "effect/encoding/Yaml"
import * as Schema from "effect/Schema"
import { createService, waitRunning } from "../../test/cluster/Services.ts"
import { SwarmCluster } from "../../test/cluster/SwarmCluster.ts"

/** The stack could not be deployed. */
export class StackFailed extends Schema.TaggedError<StackFailed>()("StackFailed", { detail: Schema.String }) {
  override get message(): string {
    return `cannot deploy the stack: ${this.detail}`
  }
}

/** Name of the stack. */
export const stack = "demo"

const file = join(import.meta.dirname, "../stack.yaml")

/** The keys of a compose file that `stack.yaml` uses. */
const Compose = Schema.Struct({
  services: Schema.Record(
    Schema.String,
    Schema.Struct({
      command: Schema.Array(Schema.String),
      hostname: Schema.String,
      environment: Schema.Record(Schema.String, Schema.String),
      deploy: Schema.Struct({ replicas: Schema.Int })
    })
  )
})

const readStack = Effect.tryPromise(() => readFile(file, "utf8")).pipe(
  Effect.flatMap((text) => Effect.try(() => Yaml.parse(text))),
  Effect.flatMap(Schema.decodeUnknownEffect(Compose)),
  Effect.mapError((error) => new StackFailed({ detail: `${file}: ${error.message}` }))
)

/** Deploys the stack, through the Engine API if this machine has no docker command. Waits until all tasks run. */
export const deployStack = Effect.fn("demo.deployStack")(function* () {
  const { image, manager } = yield* SwarmCluster
  const { services } = yield* readStack
  const deployed = yield* stackDeploy(manager.dockerHost, image)
  if (!deployed) {
    for (const [name, { command, deploy, environment, hostname }] of Object.entries(services)) {
      yield* createService(manager.socket, {
        name: `${stack}_${name}`,
        image,
        command,
        env: Object.entries(environment).map(([variable, value]) => `${variable}=${value}`),
        replicas: deploy.replicas,
        containerSpec: { Hostname: hostname }
      })
    }
  }
  const tasks = yield* Effect.forEach(Object.entries(services), ([name, { deploy }]) =>
    Effect.map(waitRunning(manager.socket, `${stack}_${name}`, deploy.replicas), (running) =>
      running.map((task) => ({ ...task, target: `${stack}_${name}.${task.slot}` }))
    )
  )
  return { tasks: tasks.flat() }
})

/** Deploys with the docker command. Returns false if there is none. */
const stackDeploy = (dockerHost: string, image: string): Effect.Effect<boolean, StackFailed> =>
  Effect.callback((resume, signal) => {
    execFile(
      "docker",
      ["stack", "deploy", "--compose-file", file, stack],
      { env: { ...process.env, DOCKER_HOST: dockerHost, IMAGE: image }, signal, timeout: 60_000 },
      (error, _stdout, stderr) => {
        if (error === null) resume(Effect.succeed(true))
        else if (error.code === "ENOENT") resume(Effect.succeed(false))
        else resume(Effect.fail(new StackFailed({ detail: stderr.trim() || error.message })))
      }
    )
  })
