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
 * Returns the addresses that the environment names, as the docker CLI does: DOCKER_HOST or, if it is not set, the context that
 * DOCKER_CONTEXT or `docker context use` chose or, without a context, the default socket.
 *
 * DOCKER_HOST may also hold several managers, separated by commas. DOCKER_TLS_VERIFY turns TLS on with any text (also "0").
 * DOCKER_CERT_PATH defaults to DOCKER_CONFIG, or to ~/.docker, if TLS is on.
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
  const read = (single: string) => Effect.fromResult(parse(single, tls))
  return [yield* read(first), ...(yield* Effect.forEach(others, read))]
})

/** Provides the environment of this process with these changes. A variable with the value `undefined` is removed. */
export const environmentWith = (changes: Readonly<Record<string, string | undefined>>): Layer.Layer<never> => {
  const variables = Object.entries({ ...process.env, ...changes })
  return ConfigProvider.layer(
    ConfigProvider.fromEnvRecord(
      Object.fromEntries(variables.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
    )
  )
}
