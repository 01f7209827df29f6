import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type { Endpoint } from "../../../src/engine/Endpoint.ts"
import {
  EngineError,
  EngineUnreachable,
  isConflict,
  isNotFound,
  NotSwarmManager
} from "../../../src/engine/EngineErrors.ts"
import { explainFailure, explainStatus } from "../../../src/engine/explain.ts"

const unix: Endpoint = { _tag: "Unix", path: "/s.sock" }
const tcp: Endpoint = { _tag: "Tcp", host: "h", port: 2375, basePath: "" }
const tls: Endpoint = { _tag: "Tls", host: "h", port: 2376, basePath: "" }
const ssh: Endpoint = { _tag: "Ssh", host: "h" }

const nodeError = (code: string, message = code) => Object.assign(new Error(message), { code })
const asked = (endpoint: Endpoint) => ({ endpoint, operation: "list tasks" })

describe("explainFailure", () => {
  it.each([
    ["ENOENT", unix, "NoSocket", "/s.sock does not exist"],
    ["ENOENT", ssh, "Other", "ENOENT"],
    ["ECONNREFUSED", unix, "Refused", ": connection refused. Is Docker running there?"],
    ["EACCES", unix, "Permission", ": permission denied on /s.sock. Use root, or a user in the group"],
    ["EHOSTUNREACH", tcp, "Refused", "no route to host (EHOSTUNREACH)"],
    ["ENOTFOUND", tcp, "Dns", "the host name has no address"],
    ["EAI_AGAIN", tcp, "Dns", "the host name has no address"],
    ["ECONNRESET", tcp, "Lost", "was closed"],
    ["ECONNRESET", tls, "Lost", "the client certificate"],
    ["EPIPE", unix, "Lost", "was closed"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", tls, "Tls", "DOCKER_CERT_PATH"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", tls, "Tls", "DOCKER_CERT_PATH"],
    ["CERT_HAS_EXPIRED", tls, "Tls", "DOCKER_CERT_PATH"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", tls, "Tls", "DOCKER_CERT_PATH"],
    ["EMFILE", unix, "Other", "EMFILE"]
  ] as const)("%s at %j", (code, endpoint, reason, detail) => {
    const error = explainFailure(asked(endpoint), nodeError(code))
    assert.instanceOf(error, EngineUnreachable)
    assert.strictEqual(error.reason, reason)
    assert.include(error.message, detail)
    assert.notInclude(error.message, "\n")
  })

  it("recognizes a server without TLS by the message of OpenSSL", () => {
    const error = explainFailure(asked(tls), nodeError("EPROTO", "SSL routines:ssl3_get_record:wrong version number:"))
    assert.include(error.message, "does not use TLS on this port")
  })

  it("keeps the message of ssh", () => {
    const error = explainFailure(
      asked(ssh),
      nodeError("SSH_FAILED", "ssh: connect to host h port 22: Connection refused")
    )
    assert.strictEqual(
      error.message,
      'cannot connect to the Docker engine at ssh://h: ssh: connect to host h port 22: Connection refused. Check that "ssh ssh://h docker system dial-stdio" works.'
    )
  })

  it("reports a response that is not HTTP as unexpected", () => {
    const error = explainFailure(asked(tcp), nodeError("HPE_INVALID_CONSTANT", "Parse Error: Expected HTTP/"))
    assert.strictEqual(error._tag, "UnexpectedReply")
  })

  it("reads the causes of an error about several addresses", () => {
    const several = Object.assign(new AggregateError([new Error("connect EMFILE 127.0.0.1:1")]), { code: "EMFILE" })
    assert.include(explainFailure(asked(tcp), several).message, "connect EMFILE 127.0.0.1:1")
  })

  it.prop("explains any thrown value", { cause: Schema.Unknown }, ({ cause }) => {
    assert.isString(explainFailure(asked(unix), cause).message)
  })
})

// The texts are those of moby's daemon/cluster/errors.go.
const inactive =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'
const worker =
  "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager."
const locked =
  'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.'

describe("explainStatus", () => {
  const explain = (status: number, body: string) => explainStatus(asked(unix), status, body)
  const json = (message: string) => JSON.stringify({ message })

  it.each([
    [inactive, "inactive", "docker swarm init"],
    [worker, "worker", "Set DOCKER_HOST to a manager"],
    [locked, "locked", "docker swarm unlock"]
  ] as const)("%s", (text, state, advice) => {
    const error = explain(503, json(text))
    assert.instanceOf(error, NotSwarmManager)
    assert.strictEqual(error.state, state)
    assert.include(error.message, advice)
  })

  it("names the worker and the managers that it knows", () => {
    const error = new NotSwarmManager({
      host: "tcp://h:1",
      operation: "list tasks",
      state: "worker",
      node: "node-2",
      managers: ["10.0.0.1:2377", "[fe80::1]:2377"]
    })
    assert.strictEqual(
      error.message,
      "cannot list tasks on node node-2 (tcp://h:1): this node is a worker, not a manager. Set DOCKER_HOST to a manager (this worker knows 10.0.0.1, [fe80::1])."
    )
  })

  it.each([
    [404, json("task x not found"), "task x not found"],
    [
      500,
      json("rpc error: code = Unknown desc = name conflicts\n with an existing object"),
      "name conflicts with an existing object"
    ],
    [404, "404 page not found\n", "404 page not found"],
    [502, "<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"],
    [500, "", "HTTP status 500"],
    [500, '{"error":"of a proxy"}', "of a proxy"],
    [400, "[]", "[]"]
  ])("%d %j", (status, body, text) => {
    const error = explain(status, body)
    assert.instanceOf(error, EngineError)
    assert.strictEqual(error.text, text)
    assert.strictEqual(error.status, status)
    assert.strictEqual(
      error.message,
      `cannot list tasks on the Docker engine at unix:///s.sock: ${text} (HTTP ${status})`
    )
  })

  it("recommends TLS if the engine requires it", () => {
    const error = explain(400, "Client sent an HTTP request to an HTTPS server.\n")
    assert.instanceOf(error, EngineUnreachable)
    assert.strictEqual(error.reason, "Tls")
  })

  it("explains the usual statuses", () => {
    assert.isTrue(isNotFound(explain(404, "")))
    assert.isFalse(isNotFound(explain(409, "")))
    assert.isTrue(isConflict(explain(409, "")))
    assert.isFalse(isConflict(new Error("no")))
  })
})
