/** The variables of a command: `--env` and `--env-file`. */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { reasonOf } from "../../src/engine/Hints.ts"
import { UsageError } from "../command/Usage.ts"
import type { ExecValues } from "./ExecFlags.ts"

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Returns the variables of the flags. `--env` replaces those of files. A name without a value takes the value of `environment`, if any. */
export const variablesOf = Effect.fnUntraced(function* (
  values: ExecValues,
  environment: Environment
): Effect.fn.Return<Record<string, string>, UsageError> {
  const env: Record<string, string> = {}
  for (const file of values["env-file"] ?? []) {
    for (const line of yield* readLines(file)) yield* addVariable(env, line, environment, `--env-file ${file}`)
  }
  for (const text of values.env ?? []) yield* addVariable(env, text, environment, "--env")
  return env
})

const readLines = (file: string): Effect.Effect<ReadonlyArray<string>, UsageError> =>
  Effect.try({
    try: () =>
      readFileSync(file, "utf8")
        .split(/\r?\n/)
        // trimStart also removes a byte order mark. White space at the end belongs to the value.
        .map((line) => line.trimStart())
        .filter((line) => line !== "" && !line.startsWith("#")),
    catch: (error) =>
      new UsageError({
        detail: `cannot read --env-file ${file}: ${reasonOf(error)}`
      })
  })

const addVariable = (
  env: Record<string, string>,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  where: string
): Effect.Effect<void, UsageError> =>
  Effect.suspend(() => {
    const at = text.indexOf("=")
    const name = at < 0 ? text : text.slice(0, at)
    if (name === "" || /\s/.test(name)) {
      return new UsageError({ detail: `invalid variable name ${JSON.stringify(name)} in ${where}` })
    }
    const value = at < 0 ? environment[name] : text.slice(at + 1)
    if (value !== undefined) env[name] = value
    return Effect.void
  })
