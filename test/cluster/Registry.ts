/** The cluster's image registry, which all machines and the root namespace reach over the bridge. */

import { readFile, writeFile } from "node:fs/promises"
import * as http from "node:http"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runDetached } from "./Command.ts"
import { markedEnv } from "./Machine.ts"
import { gateway } from "./Network.ts"
import { pollUntil } from "./Poll.ts"

/** The registry does not answer. */
export class RegistryNotReady extends Schema.TaggedError<RegistryNotReady>()("RegistryNotReady", {
  registry: Schema.String,
  log: Schema.String
}) {
  override get message(): string {
    return `the image registry at ${this.registry} does not answer; its log ends with:\n${this.log}`
  }
}

/** The registry of cluster number `index`, as image names begin. */
export const registryOf = (index: number): string => `${gateway(index)}:5000`

const config = (address: string, folder: string): string => `version: 0.1
log: { level: warn }
storage:
  filesystem: { rootdirectory: ${JSON.stringify(folder)} }
  delete: { enabled: true }
http: { addr: ${JSON.stringify(address)} }
`

const answers = (registry: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const req = http.get(`http://${registry}/v2/`, { timeout: 2_000, agent: false }, (res) => {
      res.resume()
      resume(Effect.succeed(res.statusCode === 200))
    })
    req.on("timeout", () => req.destroy())
    req.on("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => req.destroy())
  })

/** Starts the registry and waits until it answers. */
export const startRegistry = Effect.fn("Registry.start")(function* (clusterDir: string, index: number) {
  const registry = registryOf(index)
  const file = join(clusterDir, "registry.yml")
  const log = join(clusterDir, "registry.log")
  yield* Effect.promise(() => writeFile(file, config(registry, join(clusterDir, "registry"))))
  yield* runDetached("docker-registry", ["serve", file], { log, env: markedEnv(clusterDir) })
  const failure = Effect.promise(() => readFile(log, "utf8")).pipe(
    Effect.flatMap((text) =>
      Effect.fail(new RegistryNotReady({ registry, log: text.trimEnd().split("\n").slice(-5).join("\n") }))
    )
  )
  yield* pollUntil(answers(registry), { atMost: 10_000, orElse: failure })
})
