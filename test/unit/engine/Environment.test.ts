import { createHash } from "node:crypto"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { defaultEndpoint, type Endpoint, type Endpoints } from "../../../src/engine/Endpoint.ts"
import { fromEnvironment } from "../../../src/engine/Environment.ts"

const readAll = (env: Record<string, string>) =>
  Effect.provideService(
    fromEnvironment,
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnvRecord({ HOME: "/none", ...env })
  )

describe("the environment", () => {
  const read = (env: Record<string, string>) =>
    Effect.map(readAll(env), (endpoints) => {
      assert.strictEqual(endpoints.length, 1)
      return endpoints[0]
    })

  it.effect("accepts a list of managers, and rejects a list with an invalid one", () =>
    Effect.gen(function* () {
      const DOCKER_HOST = "unix:///a.sock,tcp://h:1, ssh://me@other"
      assert.deepStrictEqual(yield* readAll({ DOCKER_HOST }), [
        { _tag: "Unix", path: "/a.sock" },
        { _tag: "Tcp", host: "h", port: 1, basePath: "" },
        { _tag: "Ssh", host: "other", user: "me" }
      ])
      const error = yield* Effect.flip(readAll({ DOCKER_HOST: "tcp://h:1,pigeon://loft" }))
      assert.strictEqual(error._tag, "InvalidEndpoint")
    })
  )

  it.effect("selects the default socket if nothing is set", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), defaultEndpoint)
      assert.deepStrictEqual(yield* read({ DOCKER_HOST: "" }), defaultEndpoint)
    })
  )

  it.effect("enables TLS for any text in DOCKER_TLS_VERIFY, as the docker CLI does", () =>
    Effect.gen(function* () {
      for (const yes of ["1", "0", "false"]) {
        const endpoint = yield* read({ DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: yes, DOCKER_CERT_PATH: "/c" })
        assert.deepStrictEqual(endpoint, { _tag: "Tls", host: "h", port: 2376, basePath: "", certPath: "/c" })
      }
      const no = yield* read({ DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "", DOCKER_CERT_PATH: "/c" })
      assert.strictEqual(no._tag, "Tcp")
    })
  )

  it.effect("finds certificates as the docker CLI does", () =>
    Effect.gen(function* () {
      const certPath = (env: Record<string, string>) =>
        Effect.map(read({ DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1", ...env }), (endpoint) =>
          endpoint._tag === "Tls" ? endpoint.certPath : undefined
        )
      assert.strictEqual(yield* certPath({ HOME: "/home/me" }), "/home/me/.docker")
      assert.strictEqual(yield* certPath({ HOME: "" }), `${homedir()}/.docker`)
      assert.strictEqual(yield* certPath({ HOME: "/home/me", DOCKER_CONFIG: "/config" }), "/config")
      assert.strictEqual(yield* certPath({ DOCKER_CONFIG: "/config", DOCKER_CERT_PATH: "/c" }), "/c")
      assert.deepStrictEqual(yield* read({ DOCKER_HOST: "https://h" }), {
        _tag: "Tls",
        host: "h",
        port: 2376,
        basePath: ""
      })
    })
  )
})

describe("contexts", () => {
  /** A folder like `~/.docker` with these contexts, as docker writes them. */
  const folder = Effect.fnUntraced(function* (contexts: Record<string, object>, config?: string) {
    const dir = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-contexts-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true }))
    )
    const write = (path: string, text: string) =>
      Effect.promise(async () => {
        await mkdir(join(dir, path, ".."), { recursive: true })
        await writeFile(join(dir, path), text)
      })
    for (const [name, docker] of Object.entries(contexts)) {
      const meta = { Name: name, Metadata: {}, Endpoints: { docker } }
      yield* write(`contexts/meta/${idOf(name)}/meta.json`, JSON.stringify(meta))
    }
    if (config !== undefined) yield* write("config.json", config)
    return { dir, write }
  })
  const idOf = (name: string) => createHash("sha256").update(name).digest("hex")
  const unix = { Host: "unix:///run/other.sock" }
  const failure = (env: Record<string, string>) =>
    Effect.map(Effect.flip(readAll(env)), (error) => {
      assert(error._tag === "InvalidEndpoint")
      return error.message
    })

  it.effect("DOCKER_HOST overrides DOCKER_CONTEXT, which overrides currentContext; default means none", () =>
    Effect.gen(function* () {
      const contexts = { unix, far: { Host: "ssh://me@far" } }
      const { dir: DOCKER_CONFIG } = yield* folder(contexts, JSON.stringify({ auths: {}, currentContext: "far" }))
      const other: Endpoints = [{ _tag: "Unix", path: "/run/other.sock" }]
      assert.deepStrictEqual(yield* readAll({ DOCKER_CONFIG }), [{ _tag: "Ssh", host: "far", user: "me" }])
      assert.deepStrictEqual(yield* readAll({ DOCKER_CONFIG, DOCKER_CONTEXT: "unix" }), other)
      assert.deepStrictEqual(yield* readAll({ DOCKER_CONFIG, DOCKER_CONTEXT: "default" }), [defaultEndpoint])
      const given = { DOCKER_CONFIG, DOCKER_CONTEXT: "unix", DOCKER_HOST: "tcp://h" }
      assert.deepStrictEqual(yield* readAll(given), [{ _tag: "Tcp", host: "h", port: 2375, basePath: "" }])
    })
  )

  it.effect("are in HOME without DOCKER_CONFIG", () =>
    Effect.gen(function* () {
      const { dir, write } = yield* folder({})
      yield* write(
        `.docker/contexts/meta/${idOf("x")}/meta.json`,
        JSON.stringify({ Name: "x", Endpoints: { docker: unix } })
      )
      const found = yield* readAll({ HOME: dir, DOCKER_CONTEXT: "x" })
      assert.deepStrictEqual(found, [{ _tag: "Unix", path: "/run/other.sock" }])
    })
  )

  it.effect("use TLS if the context has certificates, whatever DOCKER_TLS_VERIFY says", () =>
    Effect.gen(function* () {
      const { dir, write } = yield* folder({
        safe: { Host: "tcp://h", SkipTLSVerify: false },
        plain: { Host: "tcp://h" }
      })
      const certPath = join(dir, "contexts/tls", idOf("safe"), "docker")
      yield* write(`contexts/tls/${idOf("safe")}/docker/ca.pem`, "ca")
      const env = { DOCKER_CONFIG: dir, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/c" }
      const safe: Endpoint = { _tag: "Tls", host: "h", port: 2376, basePath: "", certPath }
      assert.deepStrictEqual(yield* readAll({ ...env, DOCKER_CONTEXT: "safe" }), [safe])
      const plain: Endpoint = { _tag: "Tcp", host: "h", port: 2375, basePath: "" }
      assert.deepStrictEqual(yield* readAll({ ...env, DOCKER_CONTEXT: "plain" }), [plain])
    })
  )

  it.effect("unusable contexts are errors", () =>
    Effect.gen(function* () {
      const contexts = {
        b: unix,
        a: unix,
        unsafe: { Host: "tcp://h", SkipTLSVerify: true },
        odd: { Host: "pigeon://loft" }
      }
      const { dir: DOCKER_CONFIG, write } = yield* folder(contexts)
      yield* write(`contexts/meta/${idOf("cut")}/meta.json`, "{")
      yield* write(`contexts/meta/${idOf("kube")}/meta.json`, JSON.stringify({ Name: "kube", Endpoints: {} }))
      const said = (DOCKER_CONTEXT: string) => failure({ DOCKER_CONFIG, DOCKER_CONTEXT })
      assert.include(yield* said("none"), "the context does not exist (contexts: a, b, kube, odd, unsafe)")
      assert.include(yield* said("unsafe"), "skips TLS verification")
      assert.include(yield* said("odd"), 'pigeon://loft: unknown scheme "pigeon"')
      assert.include(yield* said("cut"), "its file is invalid")
      assert.include(yield* said("kube"), "the context has no Docker endpoint")
    })
  )

  it.effect("an unreadable configuration selects no context", () =>
    Effect.gen(function* () {
      const { dir } = yield* folder({}, "{ no JSON")
      assert.deepStrictEqual(yield* readAll({ DOCKER_CONFIG: dir }), [defaultEndpoint])
    })
  )
})
