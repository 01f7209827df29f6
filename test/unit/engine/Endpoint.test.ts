import { homedir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { defaultEndpoint, Endpoint, format, fromEnvironment, parse } from "../../../src/engine/Endpoint.ts"

const plain = { verify: false }
const tls = { verify: true, certPath: "/certs" }

describe("Endpoint.parse", () => {
  it.each([
    ["", defaultEndpoint],
    ["  ", defaultEndpoint],
    ["unix://", defaultEndpoint],
    ["unix:///run/user/1000/docker.sock", { _tag: "Unix", path: "/run/user/1000/docker.sock" }],
    ["unix:///with a space", { _tag: "Unix", path: "/with a space" }],
    ["tcp://", { _tag: "Tcp", host: "127.0.0.1", port: 2375, basePath: "" }],
    ["tcp://manager", { _tag: "Tcp", host: "manager", port: 2375, basePath: "" }],
    ["tcp://:4243", { _tag: "Tcp", host: "127.0.0.1", port: 4243, basePath: "" }],
    ["tcp://10.0.0.1:80", { _tag: "Tcp", host: "10.0.0.1", port: 80, basePath: "" }],
    ["TCP://Manager_1.lan:1", { _tag: "Tcp", host: "Manager_1.lan", port: 1, basePath: "" }],
    ["tcp://[::1]:2375", { _tag: "Tcp", host: "::1", port: 2375, basePath: "" }],
    ["tcp://h:1/docker/", { _tag: "Tcp", host: "h", port: 1, basePath: "/docker" }],
    ["manager:2375", { _tag: "Tcp", host: "manager", port: 2375, basePath: "" }],
    ["manager", { _tag: "Tcp", host: "manager", port: 2375, basePath: "" }],
    ["http://h", { _tag: "Tcp", host: "h", port: 2375, basePath: "" }],
    ["https://h", { _tag: "Tls", host: "h", port: 2376, basePath: "" }],
    ["ssh://h", { _tag: "Ssh", host: "h" }],
    ["ssh://me@h:2222", { _tag: "Ssh", host: "h", user: "me", port: 2222 }],
    ["ssh://me@corp@h", undefined],
    ["ssh://me@h/run/docker.sock", { _tag: "Ssh", host: "h", user: "me", path: "/run/docker.sock" }]
  ])("%j", (text, expected) => {
    const parsed = parse(text, plain)
    if (expected === undefined) assert.isTrue(Result.isFailure(parsed))
    else assert.deepStrictEqual(Result.getOrThrow(parsed), expected)
  })

  it.each([
    ["tcp://h", { _tag: "Tls", host: "h", port: 2376, basePath: "", certPath: "/certs" }],
    ["h:99", { _tag: "Tls", host: "h", port: 99, basePath: "", certPath: "/certs" }],
    ["https://h:443", { _tag: "Tls", host: "h", port: 443, basePath: "", certPath: "/certs" }],
    ["unix:///s", { _tag: "Unix", path: "/s" }],
    ["ssh://h", { _tag: "Ssh", host: "h" }]
  ])("%j with TLS", (text, expected) => {
    assert.deepStrictEqual(Result.getOrThrow(parse(text, tls)), expected)
  })

  it.each([
    ["/var/run/docker.sock", "a socket is written unix:///var/run/docker.sock"],
    ["unix://var/run/docker.sock", "the path must be absolute, as in unix:///var/run/docker.sock"],
    ["npipe:////./pipe/docker_engine", "named pipes"],
    ["fd://", "an engine to listen at"],
    ["ftp://h", '"ftp" is none of the known kinds'],
    ["tcp://h:0", "there is no port 0"],
    ["tcp://h:65536", "there is no port 65536"],
    ["tcp://h:http", "is not host:port"],
    ["tcp://h?x=1", "is not host:port"],
    ["tcp://a b", "is not host:port"],
    ["tcp://user@h", "is not host:port"],
    ["tcp://a:1,tcp://b:1", "one address only"],
    ["ssh://", "the host is missing"],
    ["ssh://-oProxyCommand=x", "is not host:port"],
    ["ssh://-l@h", "is not a user name"],
    ["ssh://@h", "is not a user name"]
  ])("refuses %j", (text, detail) => {
    const parsed = parse(text, plain)
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) assert.include(parsed.failure.message, detail)
  })

  it("refuses http:// when TLS is asked for", () => {
    assert.isTrue(Result.isFailure(parse("http://h", tls)))
  })

  it("never repeats a password", () => {
    for (const text of [
      "ssh://me:secret@h",
      "tcp://me:secret@h",
      "me:secret@h",
      "foo://me:secret@h",
      "ssh://me:a/secret@b@h"
    ]) {
      const parsed = parse(text, plain)
      assert.isTrue(Result.isFailure(parsed))
      if (Result.isFailure(parsed)) assert.notInclude(parsed.failure.message, "secret")
    }
  })

  it.prop("answers to any text, and reads back what it wrote", { text: Schema.String }, ({ text }) => {
    const parsed = parse(text, plain)
    if (Result.isSuccess(parsed)) {
      assert.isTrue(Schema.is(Endpoint)(parsed.success))
      assert.deepStrictEqual(Result.getOrThrow(parse(format(parsed.success), plain)), parsed.success)
    }
  })

  const Name = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,8}$/)))
  const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65535 })))
  it.prop(
    "reads back what it wrote",
    { host: Name, port: Port, user: Name, path: Name },
    ({ host, port, user, path }) => {
      const endpoints: ReadonlyArray<Endpoint> = [
        { _tag: "Unix", path: `/${path}` },
        { _tag: "Tcp", host, port, basePath: "" },
        { _tag: "Tls", host, port, basePath: `/${path}` },
        { _tag: "Ssh", host, port, user, path: `/${path}` },
        { _tag: "Ssh", host }
      ]
      for (const endpoint of endpoints)
        assert.deepStrictEqual(Result.getOrThrow(parse(format(endpoint), plain)), endpoint)
    }
  )
})

describe("Endpoint.fromEnvironment", () => {
  const readAll = (env: Record<string, string>, host?: string) =>
    fromEnvironment(host).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env)))
  const read = (env: Record<string, string>, host?: string) =>
    Effect.map(readAll(env, host), (endpoints) => {
      assert.strictEqual(endpoints.length, 1)
      return endpoints[0]
    })

  it.effect("takes a list of managers, and refuses a list with a mistake in it", () =>
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

  it.effect("is the default socket when nothing is set", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), defaultEndpoint)
      assert.deepStrictEqual(yield* read({ DOCKER_HOST: "" }), defaultEndpoint)
    })
  )

  it.effect("takes any text in DOCKER_TLS_VERIFY for yes, as the docker CLI does", () =>
    Effect.gen(function* () {
      for (const yes of ["1", "0", "false"]) {
        const endpoint = yield* read({ DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: yes, DOCKER_CERT_PATH: "/c" })
        assert.deepStrictEqual(endpoint, { _tag: "Tls", host: "h", port: 2376, basePath: "", certPath: "/c" })
      }
      const no = yield* read({ DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "", DOCKER_CERT_PATH: "/c" })
      assert.strictEqual(no._tag, "Tcp")
    })
  )

  it.effect("looks for certificates where the docker CLI does", () =>
    Effect.gen(function* () {
      const certPath = (env: Record<string, string>) =>
        Effect.map(read({ DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1", ...env }), (endpoint) =>
          endpoint._tag === "Tls" ? endpoint.certPath : undefined
        )
      assert.strictEqual(yield* certPath({ HOME: "/home/me" }), "/home/me/.docker")
      assert.strictEqual(yield* certPath({}), `${homedir()}/.docker`)
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

  it.effect("prefers the host that it is told", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({ DOCKER_HOST: "tcp://h" }, "ssh://other"), { _tag: "Ssh", host: "other" })
      const error = yield* Effect.flip(read({ DOCKER_HOST: "tcp://h:x" }))
      assert.strictEqual(error._tag, "InvalidEndpoint")
    })
  )
})
