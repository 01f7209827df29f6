/** The stage of the load script: the swarm, our image in its registry, and a service with two tasks on each node. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { nodeOptions } from "../../adapters/bundle/NodeOptions.ts"
import { buildImage } from "../../adapters/image/Image.ts"
import { callerEnv, startCaller } from "../chaos/Caller.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster, type SwarmClusterShape } from "../cluster/SwarmCluster.ts"

/** The programs are not built. */
export class NotBuilt extends Schema.TaggedError<NotBuilt>()("NotBuilt", { program: Schema.String }) {
  override get message(): string {
    return `${this.program} is missing: run npm run build`
  }
}

/** `task-exec` and its arguments. */
export type Argv = readonly ["task-exec", ...ReadonlyArray<string>]

/** The stage of the commands. */
export interface LoadStage {
  readonly cluster: SwarmClusterShape
  /** Name of the service. */
  readonly web: string
  /** Its tasks on the manager: `web.1`. */
  readonly local: ReadonlyArray<string>
  /** Its tasks on other nodes. */
  readonly remote: ReadonlyArray<string>
  /** Starts a built program. It is killed when the scope closes. `input`: its stdin, as a repeated line. */
  readonly start: (
    argv: Argv,
    input?: { readonly line: string; readonly times: number }
  ) => ReturnType<typeof startCaller>
}

/** Path of the program that callers run. */
export const program = join(import.meta.dirname, "..", "..", "dist", "task-exec.cjs")

/** The stage on a swarm that has our image under this reference. */
export const stageWith = Effect.fnUntraced(function* (image: string) {
  const cluster = yield* SwarmCluster
  const { manager, nodes } = cluster
  if (!existsSync(program)) return yield* new NotBuilt({ program })
  const web = "load"
  yield* service(manager.socket, { name: web, image: cluster.image, replicas: 2 * nodes.length })
  const tasks = yield* waitRunning(manager.socket, web, 2 * nodes.length)
  const targets = (isLocal: boolean) =>
    tasks.filter(({ nodeId }) => (nodeId === manager.nodeId) === isLocal).map(({ slot }) => `${web}.${slot}`)
  const env = callerEnv(manager.dockerHost, image)
  const stage: LoadStage = {
    cluster,
    web,
    local: targets(true),
    remote: targets(false),
    start: ([, ...args], input) => {
      const line = [process.execPath, ...nodeOptions, program, ...args] as const
      // A pipe that ends, as after a command in a pipeline.
      return input === undefined
        ? startCaller(line, env)
        : startCaller(
            [
              "sh",
              "-c",
              'times=$1; shift; yes "$0" | head -n "$times" | "$@"',
              input.line,
              String(input.times),
              ...line
            ],
            env
          )
    }
  }
  return stage
})

/** The stage, with the image of this build in the swarm's registry. */
export const makeStage = Effect.gen(function* () {
  const { manager, registry } = yield* SwarmCluster
  const { ref } = yield* buildImage({
    endpoint: { _tag: "Unix", path: manager.socket },
    ref: `${registry}/task-exec:load`,
    base: "scratch",
    push: true
  })
  return yield* stageWith(ref)
})

/** One of these. The stage has at least one. */
export const pick = (from: ReadonlyArray<string>, random: () => number): string =>
  from[Math.floor(random() * from.length)] ?? ""
