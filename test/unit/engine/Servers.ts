/** Servers in memory and on sockets of this machine, which stand for engines. */
import { mkdtemp, rm } from "node:fs/promises"
import * as Http from "node:http"
import type * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DockerEngine, type DockerEngineOptions } from "../../../src/engine/DockerEngine.ts"
import type { Endpoint } from "../../../src/engine/Endpoint.ts"
import { Swarm, type SwarmOptions } from "../../../src/engine/Swarm.ts"

export const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "engine-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

/** A server. It and its connections end with the scope. */
export const listening = <S extends Net.Server>(server: S, at: Net.ListenOptions) =>
  Effect.suspend(() => {
    const open = new Set<Net.Socket>()
    server.on("connection", (socket) => {
      open.add(socket)
      socket.on("close", () => open.delete(socket)).on("error", () => {})
    })
    return Effect.acquireRelease(
      Effect.callback<S>((resume) => {
        server.listen(at, () => resume(Effect.succeed(server)))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of open) socket.destroy()
        })
    )
  })

export const portOf = (server: Net.Server) => {
  const address = server.address()
  assert.isObject(address)
  return address === null || typeof address === "string" ? 0 : address.port
}

/** An engine that is a local server on a socket file. */
export const engineOf = Effect.fnUntraced(function* (server: Net.Server, options?: DockerEngineOptions) {
  const path = join(yield* folder, "docker.sock")
  yield* listening(server, { path })
  return yield* engineAt({ _tag: "Unix", path }, options)
})

/** A swarm whose manager is a local server, and that manager as an engine. */
export const managerOf = Effect.fnUntraced(function* (server: Net.Server, options: SwarmOptions = {}) {
  const path = join(yield* folder, "docker.sock")
  yield* listening(server, { path })
  const context = yield* Layer.build(Swarm.layerFor({ _tag: "Unix", path }, options))
  const swarm = Context.get(context, Swarm)
  return { swarm, engine: yield* swarm.engine }
})

/** Lives until the end of the test, because the layer's connections end with it. */
export const engineAt = (endpoint: Endpoint, options?: DockerEngineOptions) =>
  Effect.map(Layer.build(DockerEngine.layerFor(endpoint, options)), (context) => Context.get(context, DockerEngine))

export const answering = (status: number, body: string, headers: Http.OutgoingHttpHeaders = {}) =>
  Http.createServer((_, response) => response.writeHead(status, headers).end(body))

export const until = (condition: () => boolean) =>
  Effect.promise(async () => {
    for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 2))
    assert.isTrue(condition())
  })
