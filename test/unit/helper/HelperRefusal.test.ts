import { assert, describe, it } from "@effect/vitest"
import { refusalOf } from "../../../src/helper/HelperRefusal.ts"

const image = "registry.example:5000/tools/task-exec:1"

const status = (Err: string, Message = "preparing", ContainerID = "") => ({
  Timestamp: "",
  State: "rejected",
  Message,
  Err,
  ContainerStatus: { ContainerID, PID: 0, ExitCode: 0 }
})

const tagOf = (reason: string, ...more: ReadonlyArray<string>) =>
  refusalOf(image, "node-2", status(reason, ...more))._tag

describe("why a node refused a helper", () => {
  describe("the image is missing", () => {
    it.each([
      // Engines up to 29.5 (measured on 20.10 and 28.5), whatever the reason.
      ["No such image: registry.example:5000/tools/task-exec:1"],
      ["No such image: task-exec@sha256:1111111111111111111111111111111111111111111111111111111111111111"],
      ["Error: No such image: localhost:5000/redis"],
      // From 29.6 on: the registry's message (moby#52570, moby#52698, moby#53212).
      ["unauthorized: authentication required"],
      ["error from registry: unauthorized"],
      ["errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n"],
      [
        "pull access denied for nosuch, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
      ],
      [
        "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
      ],
      [
        "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
      ],
      ["manifest for registry.example:5000/tools/task-exec:1 not found: manifest unknown: manifest unknown"],
      ["no matching manifest for linux/arm64/v8 in the manifest list entries"],
      ["toomanyrequests: You have reached your unauthenticated pull rate limit."],
      ['Error: Status 403 trying to pull repository tools/task-exec: "{\\"error\\": \\"Permission Denied\\"}"'],
      ['image operating system "windows" cannot be used on this platform: operating system is not supported'],
      ["failed to register layer: write /usr/bin/node: no space left on device"],
      // … and the failed connection to the registry.
      ['Get "https://registry.example:5000/v2/": http: server gave HTTP response to HTTPS client'],
      ['Get "https://registry.example:5000/v2/": dial tcp 10.1.2.3:5000: connect: connection refused'],
      ['Get "https://registry.example:5000/v2/": dial tcp: lookup registry.example on 127.0.0.53:53: no such host'],
      ["dial tcp 10.1.2.3:5000: connect: network is unreachable"],
      ["dial tcp 10.1.2.3:5000: i/o timeout"],
      [
        'failed to resolve reference "registry.example:5000/tools/task-exec:1": failed to do request: Head "https://registry.example:5000/v2/tools/task-exec/manifests/1": http: server gave HTTP response to HTTPS client'
      ],
      [
        'unknown: failed to resolve reference "ghcr.io/tools/task-exec:1": unexpected status from HEAD request to https://ghcr.io/v2/tools/task-exec/manifests/1: 403 Forbidden'
      ],
      [
        'failed to resolve reference "docker.io/tools/task-exec:1": failed to authorize: failed to fetch anonymous token: Get "https://auth.docker.io/token?service=registry.docker.io": EOF'
      ],
      ["net/http: TLS handshake timeout"],
      ["x509: certificate signed by unknown authority"],
      ["registry.example:5000: something that no engine of today says"],
      ["error pulling image configuration: download failed after attempts=6: EOF"]
    ])("%s", (reason) => {
      const error = refusalOf(image, "node-2", status(reason))
      assert.strictEqual(error._tag, "HelperImageUnavailable")
      assert.include(error.message, reason)
      assert.include(error.message, image)
    })
  })

  describe("another reason", () => {
    it.each([
      ['invalid mount config for type "bind": bind source path does not exist: /var/run/docker.sock'],
      ["invalid pool request: Pool overlaps with other one on this address space"],
      ["cannot share the host's network namespace when user namespaces are enabled"],
      [
        "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded"
      ],
      ["network task-exec-3f2a not found"],
      [
        'network sandbox join failed: subnet sandbox join failed for "10.0.1.0/24": error creating vxlan interface: file exists'
      ],
      ["could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"],
      ["error while mounting volume: permission denied"],
      ["context deadline exceeded"],
      ["No such container: task-exec-3f2a.1.6xy8by3ora4nantww2gc8lm1n"],
      ["secret reference 6xy8by3ora4nantww2gc8lm1n not found"]
    ])("%s", (reason) => {
      assert.strictEqual(tagOf(reason), "HelperRejected")
    })

    it("a node that has created the container has the image, whatever the text says", () => {
      const reason = "starting container failed: dial tcp 10.1.2.3:5000: connect: connection refused"
      assert.strictEqual(tagOf(reason, "preparing", "78643199ef51"), "HelperRejected")
      assert.strictEqual(tagOf(reason, "starting"), "HelperRejected")
    })
  })
})
