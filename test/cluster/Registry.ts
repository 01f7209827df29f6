/** The cluster's image registry, reachable over the bridge from all machines and from the root namespace. */

import { cp, mkdir, readFile, writeFile } from "node:fs/promises"
import * as http from "node:http"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runDetached } from "./Command.ts"
import { markedEnv } from "./Machine.ts"
import { gateway } from "./Network.ts"
import { pollUntil } from "./Poll.ts"

/** The registry does not respond. */
export class RegistryNotReady extends Schema.TaggedError<RegistryNotReady>()("RegistryNotReady", {
  registry: Schema.String,
  log: Schema.String
}) {
  override get message(): string {
    return `the image registry at ${this.registry} does not answer; its log ends with:\n${this.log}`
  }
}

/** The registry of cluster number `index`, as the first part of image names. */
export const registryOf = (index: number): string => `${gateway(index)}:5000`

const config = (address: string, folder: string): string => `version: 0.1
log: { level: warn }
storage:
  filesystem: { rootdirectory: ${JSON.stringify(folder)} }
  delete: { enabled: true }
http: { addr: ${JSON.stringify(address)} }
`

const answers = (registry: string, status = 200): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const req = http.get(`http://${registry}/v2/`, { timeout: 2_000, agent: false }, (res) => {
      res.resume()
      resume(Effect.succeed(res.statusCode === status))
    })
    req.on("timeout", () => req.destroy())
    req.on("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => req.destroy())
  })

/** The user of a private registry. */
export const registryUser = { username: "me", password: "secret" }

/** bcrypt of that password. */
const passwordFile = "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"

/** Starts a registry with a password, for the same machines. Returns its address. It ends with the scope. */
export const privateRegistry = Effect.fn("Registry.private")(function* (
  clusterDir: string,
  registry: string,
  port: number
) {
  const address = registry.replace(/\d+$/, String(port))
  const dir = join(clusterDir, `registry-${port}`)
  const htpasswd = join(dir, "htpasswd")
  yield* Effect.promise(() => mkdir(dir, { recursive: true }))
  yield* Effect.promise(() => writeFile(htpasswd, passwordFile))
  const auth = `auth: { htpasswd: { realm: test, path: ${JSON.stringify(htpasswd)} } }\n`
  yield* Effect.promise(() => writeFile(join(dir, "config.yml"), config(address, join(dir, "data")) + auth))
  const pid = yield* Effect.acquireRelease(
    runDetached("docker-registry", ["serve", join(dir, "config.yml")], {
      log: join(dir, "log"),
      env: markedEnv(clusterDir)
    }),
    (pid) => Effect.sync(() => process.kill(pid))
  )
  yield* pollUntil(answers(address, 401), {
    atMost: 120_000,
    orElse: Effect.die(`registry ${address}, process ${pid}`)
  })
  return address
})

const filesOf = (clusterDir: string): string => join(clusterDir, "registry")

/** Copies a repository with all its images from the registry of one cluster to that of another. Both may be running. */
export const copyRepository = (fromDir: string, toDir: string, repository: string): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (const part of ["blobs", join("repositories", repository)]) {
      const [from, to] = [fromDir, toDir].map((dir) => join(filesOf(dir), "docker/registry/v2", part))
      if (from === undefined || to === undefined) continue
      await cp(from, to, { recursive: true, filter: (path) => basename(path) !== "_uploads" })
    }
  })

/** Starts the registry and waits until it responds. */
export const startRegistry = Effect.fn("Registry.start")(function* (clusterDir: string, index: number) {
  const registry = registryOf(index)
  const file = join(clusterDir, "registry.yml")
  const log = join(clusterDir, "registry.log")
  yield* Effect.promise(() => writeFile(file, config(registry, filesOf(clusterDir))))
  yield* runDetached("docker-registry", ["serve", file], { log, env: markedEnv(clusterDir) })
  const failure = Effect.promise(() => readFile(log, "utf8")).pipe(
    Effect.flatMap((text) =>
      Effect.fail(new RegistryNotReady({ registry, log: text.trimEnd().split("\n").slice(-5).join("\n") }))
    )
  )
  yield* pollUntil(answers(registry), { atMost: 120_000, orElse: failure })
})
