/** The engine that a command line names. It overrides the one that the environment names. */
import * as Effect from "effect/Effect"
import { defaultContext } from "../../src/engine/DockerConfig.ts"
import { UsageError } from "./Usage.ts"

/** Variables that replace those of the environment. `undefined` removes a variable. */
export type EngineChoice = { readonly DOCKER_HOST?: string | undefined; readonly DOCKER_CONTEXT?: string }

/** Reads `--host` and `--context`. Fails if both are given. */
export const chooseEngine = (host?: string, context?: string): Effect.Effect<EngineChoice, UsageError> => {
  if (host !== undefined && context !== undefined) {
    return Effect.fail(new UsageError({ detail: "--host and --context cannot be combined" }))
  }
  if (host !== undefined) return Effect.succeed({ DOCKER_HOST: host })
  if (context === undefined) return Effect.succeed({})
  // The default context uses DOCKER_HOST.
  const without = context === defaultContext ? {} : { DOCKER_HOST: undefined }
  return Effect.succeed({ ...without, DOCKER_CONTEXT: context })
}
