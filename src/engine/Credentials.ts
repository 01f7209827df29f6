/**
 * The credentials for registries that `docker login` stored: in `config.json`, or in a credential helper (the protocol of
 * docker/docker-credential-helpers). With them, nodes can pull the helper's image from a private registry.
 */
import { spawn } from "node:child_process"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type DockerConfig, readConfig } from "./DockerConfig.ts"

/** The key of Docker Hub's credentials. */
const dockerHub = "https://index.docker.io/v1/"

/** The timeout of a credential helper. Some helpers ask the user. */
const responseTimeout = "30 seconds"

/** The content of the header X-Registry-Auth, which is encoded as JSON in base64. */
type Auth =
  | { readonly username: string; readonly password: string; readonly serveraddress: string }
  | { readonly identitytoken: string; readonly serveraddress: string }

/** Returns the registry of an image, as the key of its credentials: the first part of its name, if that can be a host. */
export const registryOf = (image: string): string => {
  const [first = "", ...rest] = image.split("/")
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost")
  return isHost && first !== "docker.io" && first !== "index.docker.io" ? first : dockerHub
}

/**
 * Returns the header X-Registry-Auth for an image; `undefined` without a login to its registry. If a credential helper fails, only logs a
 * warning, because the nodes may have the image or need no password.
 */
export const credentialsFor = Effect.fn("DockerEngine.credentials")(function* (
  image: string
): Effect.fn.Return<string | undefined, Config.ConfigError> {
  // An image that is named by its ID can't be pulled.
  if (image.startsWith("sha256:")) return undefined
  const registry = registryOf(image)
  const config = yield* readConfig
  const program = config.credHelpers?.[registry] ?? (config.credsStore || undefined)
  const auth =
    program === undefined
      ? storedIn(config, registry)
      : yield* queryHelper(`docker-credential-${program}`, registry).pipe(
          Effect.catch((error) =>
            Effect.as(Effect.logWarning(`cannot get credentials for ${registry}: ${error.message}`), undefined)
          )
        )
  if (auth === undefined) return undefined
  return Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_")
})

/** Returns the credentials in `config.json`. Its keys are host names, or addresses that older clients wrote. */
const storedIn = ({ auths = {} }: DockerConfig, registry: string): Auth | undefined => {
  const hostOf = (key: string) => key.replace(/^https?:\/\//, "").replace(/\/.*$/, "")
  const key = registry in auths ? registry : Object.keys(auths).find((other) => hostOf(other) === registry)
  const found = key === undefined ? undefined : auths[key]
  if (found?.identitytoken) return { identitytoken: found.identitytoken, serveraddress: registry }
  const [, username, password] = /^([^:]*):(.*?)\0*$/s.exec(Buffer.from(found?.auth ?? "", "base64").toString()) ?? []
  return username === undefined || password === undefined ? undefined : { username, password, serveraddress: registry }
}

/** A credential helper failed. */
class HelperFailure extends Schema.TaggedError<HelperFailure>()("HelperFailure", {
  program: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.program}: ${this.detail}`
  }
}

const decodeResponse = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ Username: Schema.String, Secret: Schema.String }))
)

const queryHelper = Effect.fnUntraced(function* (program: string, registry: string) {
  const failed = (detail: string) => new HelperFailure({ program, detail })
  const response = yield* run(program, registry).pipe(
    Effect.timeoutOrElse({
      duration: responseTimeout,
      orElse: () => Effect.fail(failed(`no response within ${responseTimeout}`))
    })
  )
  if (response === undefined) return undefined
  const { Secret, Username } = yield* Effect.mapError(decodeResponse(response), () => failed("its response is invalid"))
  return Username === "<token>"
    ? { identitytoken: Secret, serveraddress: registry }
    : { username: Username, password: Secret, serveraddress: registry }
})

/** Runs a credential helper, and returns its response; `undefined` if it reports on stdout that it has no credentials for the registry. */
const run = (program: string, registry: string): Effect.Effect<string | undefined, HelperFailure> =>
  Effect.callback((resume) => {
    const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "ignore"] })
    const fail = (detail: string) => resume(Effect.fail(new HelperFailure({ program, detail })))
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    child.on("error", (error) => fail(error.message))
    child.stdin.on("error", () => undefined)
    child.stdin.end(registry)
    child.on("close", (code) => {
      if (code === 0) resume(Effect.succeed(stdout))
      else if (/credentials not found/i.test(stdout)) resume(Effect.succeed(undefined))
      else fail(stdout.trim() || `exit code ${code}`)
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })
