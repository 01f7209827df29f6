/** The docker CLI's configuration: `config.json` in DOCKER_CONFIG, or in `~/.docker`. */
import { readFile } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reasonOf } from "./Hints.ts"

/** The name of the context that means `DOCKER_HOST` or the default socket. */
export const defaultContext = "default"

const Named = Schema.Record(Schema.String, Schema.String)

/** The parts of the configuration that task-exec reads. */
const DockerConfig = Schema.Struct({
  /** The context that `docker context use` chose. */
  currentContext: Schema.optionalKey(Schema.String),
  /** Credentials that `docker login` stored, by registry. `auth` is `user:password` in base64. */
  auths: Schema.optionalKey(
    Schema.Record(
      Schema.String,
      Schema.Struct({ auth: Schema.optionalKey(Schema.String), identitytoken: Schema.optionalKey(Schema.String) })
    )
  ),
  /** `NAME` of the credential helper `docker-credential-NAME`: for all registries, and for single ones. */
  credsStore: Schema.optionalKey(Schema.String),
  credHelpers: Schema.optionalKey(Named),
  /** The keys that detach from a terminal, unless the command line has `--detach-keys`. */
  detachKeys: Schema.optionalKey(Schema.String)
})

/** The configuration of the docker CLI. */
export type DockerConfig = typeof DockerConfig.Type

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(DockerConfig))

const text = (name: string) => Config.String(name).pipe(Config.withDefault(""))

/** The directory of the docker CLI's files. */
export const configFolder = Effect.gen(function* () {
  return (yield* text("DOCKER_CONFIG")) || join((yield* text("HOME")) || homedir(), ".docker")
})

/**
 * Reads a file; `undefined` if it does not exist. Avoids `fs/promises`, which loads readline (Node 26), because every program reads a file
 * at its start.
 */
export const readIfThere = (file: string): Effect.Effect<string | undefined, Error> =>
  Effect.callback((resume, signal) => {
    readFile(file, { encoding: "utf8", signal }, (error, text) => {
      if (error === null) resume(Effect.succeed(text))
      else if (error.code === "ENOENT" || error.code === "ENOTDIR") resume(Effect.succeed(undefined))
      else resume(Effect.fail(error))
    })
  })

const nothing: DockerConfig = {}

/** Reads the configuration. It is empty if the file does not exist. Logs a warning if the file can't be read, as the docker CLI does. */
export const readConfig = Effect.gen(function* () {
  const file = join(yield* configFolder, "config.json")
  return yield* readIfThere(file).pipe(
    Effect.flatMap((content) => decode(content ?? "{}")),
    Effect.catch((error) => Effect.as(Effect.logWarning(`cannot read ${file}: ${reasonOf(error)}`), nothing))
  )
})
