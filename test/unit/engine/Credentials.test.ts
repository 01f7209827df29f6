import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { credentialsFor, registryOf } from "../../../src/engine/Credentials.ts"

/** A folder on the PATH, until the scope closes. */
const folder = Effect.acquireRelease(
  Effect.promise(async () => {
    const dir = await mkdtemp(join(tmpdir(), "task-exec-credentials-"))
    const path = process.env.PATH
    process.env.PATH = `${dir}:${path}`
    return { dir, path }
  }),
  ({ dir, path }) =>
    Effect.promise(() => {
      process.env.PATH = path
      return rm(dir, { recursive: true })
    })
)

/** The credentials that are sent for an image with this configuration. */
const sent = Effect.fnUntraced(function* (dir: string, config: object, image: string) {
  yield* Effect.promise(() => writeFile(join(dir, "config.json"), JSON.stringify(config)))
  const header = yield* Effect.provideService(
    credentialsFor(image),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnvRecord({ DOCKER_CONFIG: dir })
  )
  if (header === undefined) return undefined
  assert.match(header, /^[A-Za-z0-9_-]+=*$/)
  return JSON.parse(Buffer.from(header, "base64url").toString()) as unknown
})

/** A credential helper with this script. */
const helper = (dir: string, name: string, script: string) =>
  Effect.promise(async () => {
    const file = join(dir, `docker-credential-${name}`)
    await writeFile(file, `#!/bin/sh\n[ "$1" = get ] || exit 9\nread -r server\n${script}\n`)
    await chmod(file, 0o755)
  })

const basic = (text: string) => ({ auth: Buffer.from(text).toString("base64") })
const hub = "https://index.docker.io/v1/"

describe("credentials for an image's registry", () => {
  it("are those of the host that the image's name begins with, if any", () => {
    for (const [image, registry] of [
      ["task-exec", hub],
      ["task-exec:0.1.0", hub],
      ["me/task-exec@sha256:1", hub],
      ["docker.io/me/task-exec", hub],
      ["registry.example/a/b:1", "registry.example"],
      ["registry.example:5000/a", "registry.example:5000"],
      ["10.0.0.1:5000/a@sha256:1", "10.0.0.1:5000"],
      ["localhost/a", "localhost"]
    ] as const) {
      assert.strictEqual(registryOf(image), registry, image)
    }
  })

  it.effect("are read from config.json, by host or by an older client's address, with a token", () =>
    Effect.gen(function* () {
      const { dir } = yield* folder
      const auths = {
        "r.example:5000": basic("me:se:cret"),
        "https://old.example/v1/": basic("old:pass\0"),
        "token.example": { ...basic("x:y"), identitytoken: "token" },
        [hub]: basic("hub:pass"),
        "empty.example": {}
      }
      const of = (image: string) => sent(dir, { auths }, image)
      const user = (username: string, password: string, serveraddress: string) => ({
        username,
        password,
        serveraddress
      })
      assert.deepStrictEqual(yield* of("r.example:5000/a:1"), user("me", "se:cret", "r.example:5000"))
      assert.deepStrictEqual(yield* of("old.example/a:1"), user("old", "pass", "old.example"))
      assert.deepStrictEqual(yield* of("token.example/a"), { identitytoken: "token", serveraddress: "token.example" })
      assert.deepStrictEqual(yield* of("task-exec:1"), user("hub", "pass", hub))
      for (const none of ["empty.example/a", "r.example/a", "sha256:1234"]) assert.isUndefined(yield* of(none))
    })
  )

  it.effect("are read from a credential helper, for all registries or for this one", () =>
    Effect.gen(function* () {
      const { dir } = yield* folder
      yield* helper(dir, "one", `printf '{"ServerURL":"%s","Username":"one","Secret":"of %s"}' "$server" "$server"`)
      yield* helper(dir, "two", `printf '{"ServerURL":"","Username":"<token>","Secret":"t"}'`)
      const config = { auths: { "a.example": {} }, credsStore: "one", credHelpers: { "b.example": "two" } }
      const one = { username: "one", password: "of a.example", serveraddress: "a.example" }
      assert.deepStrictEqual(yield* sent(dir, config, "a.example/i"), one)
      const two = { identitytoken: "t", serveraddress: "b.example" }
      assert.deepStrictEqual(yield* sent(dir, config, "b.example/i"), two)
    })
  )

  it.effect("are missing if the credential helper has none, fails, prints invalid text, or does not exist", () =>
    Effect.gen(function* () {
      const { dir } = yield* folder
      yield* helper(dir, "none", "echo credentials not found in native keychain; exit 1")
      yield* helper(dir, "bad", "echo locked; exit 1")
      yield* helper(dir, "odd", "echo '{}'")
      for (const credsStore of ["none", "bad", "odd", "missing"]) {
        assert.isUndefined(yield* sent(dir, { credsStore }, "a.example/i"), credsStore)
      }
    })
  )
})
