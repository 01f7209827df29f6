import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { defaultEndpoint, Endpoint, format, parse } from "../../../src/engine/Endpoint.ts"

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
    ["ssh://deploy.bot_1+ci-x@h", { _tag: "Ssh", host: "h", user: "deploy.bot_1+ci-x" }],
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
    ["/var/run/docker.sock", "write a socket as unix:///var/run/docker.sock"],
    ["unix://var/run/docker.sock", "the path must be absolute, such as unix:///var/run/docker.sock"],
    ["npipe:////./pipe/docker_engine", "named pipes"],
    ["fd://", "an engine to listen on"],
    ["ftp://h", 'unknown scheme "ftp"'],
    ["tcp://h:0", "port 0 is not between 1 and 65535"],
    ["tcp://h:65536", "port 65536 is not between"],
    ["tcp://h:http", "is not host:port"],
    ["tcp://h?x=1", "is not host:port"],
    ["tcp://a b", "is not host:port"],
    ["tcp://user@h", "is not host:port"],
    ["tcp://a:1,tcp://b:1", "a single address"],
    ["ssh://", "the host is missing"],
    ["ssh://-oProxyCommand=x", "is not host:port"],
    ["ssh://-l@h", "invalid user name"],
    ["ssh://@h", "invalid user name"],
    ["ssh://$(touch\tx)@h", "invalid user name"],
    ["ssh://$(id)@h", "invalid user name"],
    ["ssh://`id`@h", "invalid user name"],
    ["ssh://a;id@h", "invalid user name"],
    ["ssh://a|id@h", "invalid user name"],
    ["ssh://$IFS@h", "invalid user name"],
    ["ssh://a%r@h", "invalid user name"],
    ["ssh://a\u001b[2J@h", "invalid user name"],
    ["ssh://me@$(id)", "is not host:port"],
    ["ssh://me@-oProxyCommand=id", "is not host:port"]
  ])("refuses %j", (text, detail) => {
    const parsed = parse(text, plain)
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) assert.include(parsed.failure.message, detail)
  })

  it("refuses http:// with TLS", () => {
    assert.isTrue(Result.isFailure(parse("http://h", tls)))
  })

  it("never shows a password", () => {
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

  it.prop("accepts or rejects any text, and parses what it formats", { text: Schema.String }, ({ text }) => {
    const parsed = parse(text, plain)
    if (Result.isSuccess(parsed)) {
      assert.isTrue(Schema.is(Endpoint)(parsed.success))
      assert.deepStrictEqual(Result.getOrThrow(parse(format(parsed.success), plain)), parsed.success)
    }
  })

  it.prop("an SSH address contains nothing that a shell or ssh interprets", { text: Schema.String }, ({ text }) => {
    for (const address of [`ssh://${text}@h`, `ssh://me@${text}`, `ssh://${text}`]) {
      const parsed = parse(address, plain)
      if (Result.isFailure(parsed) || parsed.success._tag !== "Ssh") continue
      assert.match(parsed.success.user ?? "u", /^[A-Za-z0-9_.+][A-Za-z0-9_.+-]*$/)
      assert.match(parsed.success.host, /^(?:[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+)$/)
    }
  })

  const Name = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,8}$/)))
  const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65535 })))
  it.prop(
    "is parsed as it was formatted",
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
