/**
 * The docker CLI's contexts: named addresses of engines with their certificates. `docker context create` stores them in files below
 * `~/.docker` (docker/cli, `cli/context/store`).
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import { join } from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { configFolder, defaultContext, readConfig, readIfThere } from "./DockerConfig.ts"
import { type Endpoint, parse } from "./Endpoint.ts"
import { InvalidEndpoint } from "./EngineErrors.ts"
import { reasonOf } from "./Hints.ts"

const MetaFile = Schema.fromJsonString(
  Schema.Struct({
    Name: Schema.String,
    Endpoints: Schema.Struct({
      docker: Schema.optionalKey(
        Schema.Struct({ Host: Schema.String, SkipTLSVerify: Schema.optionalKey(Schema.Boolean) })
      )
    })
  })
)
const decodeMeta = Schema.decodeUnknownEffect(MetaFile)

const text = (name: string) => Config.String(name).pipe(Config.withDefault(""))

/**
 * Returns the context to use if no address is given: DOCKER_CONTEXT, or the context that `docker context use` chose; `undefined` for the
 * default context.
 */
export const currentContext = Effect.gen(function* () {
  const chosen = yield* text("DOCKER_CONTEXT")
  return named(chosen === "" ? ((yield* readConfig).currentContext ?? "") : chosen)
})

const named = (name: string): string | undefined => (name === "" || name === defaultContext ? undefined : name)

/** Returns the address of a context. Fails with `InvalidEndpoint` if the context does not exist or can't be used. */
export const endpointOf = Effect.fnUntraced(function* (
  name: string
): Effect.fn.Return<Endpoint, InvalidEndpoint | Config.ConfigError> {
  const invalid = (detail: string) => new InvalidEndpoint({ endpoint: `context ${name}`, detail })
  const contexts = join(yield* configFolder, "contexts")
  const id = createHash("sha256").update(name).digest("hex")
  const content = yield* Effect.mapError(readIfThere(join(contexts, "meta", id, "meta.json")), (error) =>
    invalid(reasonOf(error))
  )
  if (content === undefined) {
    const others = yield* namesIn(join(contexts, "meta"))
    return yield* invalid(`the context does not exist (contexts: ${others.join(", ") || "none"})`)
  }
  const meta = yield* Effect.mapError(decodeMeta(content), ({ message }) => invalid(`its file is invalid: ${message}`))
  const { docker } = meta.Endpoints
  if (docker === undefined) return yield* invalid("the context has no Docker endpoint")
  if (docker.SkipTLSVerify === true) {
    return yield* invalid("the context skips TLS verification, which task-exec does not allow")
  }
  const certPath = join(contexts, "tls", id, "docker")
  const verify = (yield* filesIn(certPath)).length > 0
  return yield* Effect.mapError(
    Effect.fromResult(parse(docker.Host, { verify, ...(verify ? { certPath } : {}) })),
    ({ detail, endpoint }) => invalid(`${endpoint}: ${detail}`)
  )
})

const filesIn = (folder: string) =>
  Effect.orElseSucceed(
    Effect.tryPromise(() => Fs.readdir(folder)),
    () => []
  )

const namesIn = (folder: string) =>
  Effect.flatMap(filesIn(folder), (ids) =>
    Effect.forEach(ids, (id) =>
      readIfThere(join(folder, id, "meta.json")).pipe(
        Effect.flatMap((content) => decodeMeta(content ?? "")),
        Effect.match({ onSuccess: ({ Name }) => [Name], onFailure: () => [] })
      )
    )
  ).pipe(Effect.map((names) => names.flat().sort()))

/** Returns the names of all readable contexts except the default one. */
export const contextNames = Effect.flatMap(configFolder, (folder) => namesIn(join(folder, "contexts", "meta")))
