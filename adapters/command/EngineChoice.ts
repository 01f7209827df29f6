/** The engine that a command line names, in place of the one that the environment names. */
import * as Effect from "effect/Effect"
import { defaultContext } from "../../src/engine/DockerConfig.ts"
import { UsageError } from "./Usage.ts"

/** Variables that replace those of the environment. `undefined` removes a variable. */
export type EngineChoice = { readonly DOCKER_HOST?: string | undefined; readonly DOCKER_CONTEXT?: string }

/** Reads `--host` and `--context`. Fails if both are given. */
export const chooseEngine = (host?: string, context?: string): Effect.Effect<EngineChoice, UsageError> => {
  if (host !== undefined && context !== undefined) {
    return Effect.fail(new UsageError({ detail: "--host and --context both name an engine: use one of them" }))
  }
  if (host !== undefined) return Effect.succeed({ DOCKER_HOST: host })
  if (context === undefined) return Effect.succeed({})
  // The default context uses DOCKER_HOST.
  const without = context === defaultContext ? {} : { DOCKER_HOST: undefined }
  return Effect.succeed({ ...without, DOCKER_CONTEXT: context })
}
