/** Reads the engine's address from the environment. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { configFolder } from "./DockerConfig.ts"
import { currentContext, endpointOf } from "./DockerContext.ts"
import { type Endpoints, parse } from "./Endpoint.ts"
import type { InvalidEndpoint } from "./EngineErrors.ts"

const text = (name: string) => Config.String(name).pipe(Config.withDefault(""))

/**
 * What the environment names, as the docker CLI reads it, but DOCKER_HOST may be a list of managers with commas between:
 * DOCKER_HOST; without, the context that DOCKER_CONTEXT or `docker context use` chose; without, the default socket.
 * For DOCKER_HOST there are DOCKER_TLS_VERIFY, on with any text ("0" too), and DOCKER_CERT_PATH, when TLS is on and it is
 * unset DOCKER_CONFIG or ~/.docker.
 */
export const fromEnvironment = Effect.gen(function* (): Effect.fn.Return<
  Endpoints,
  InvalidEndpoint | Config.ConfigError
> {
  const address = yield* text("DOCKER_HOST")
  const context = address === "" ? yield* currentContext : undefined
  if (context !== undefined) return [yield* endpointOf(context)]
  const verify = (yield* text("DOCKER_TLS_VERIFY")) !== ""
  const certPath = (yield* text("DOCKER_CERT_PATH")) || (verify ? yield* configFolder : "")
  const tls = { verify, ...(certPath === "" ? {} : { certPath }) }
  const [first = "", ...others] = address.split(",")
  const read = (one: string) => Effect.fromResult(parse(one, tls))
  return [yield* read(first), ...(yield* Effect.forEach(others, read))]
})

/** The environment of this process with these variables in place of its own; without those that are undefined. */
export const environmentWith = (changes: Readonly<Record<string, string | undefined>>): Layer.Layer<never> => {
  const variables = Object.entries({ ...process.env, ...changes })
  return ConfigProvider.layer(
    ConfigProvider.fromEnvRecord(
      Object.fromEntries(variables.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
    )
  )
}
