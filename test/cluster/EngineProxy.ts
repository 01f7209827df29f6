/**
 * A proxy between a client and an engine's socket, for faults that a real engine won't produce on cue: it sees every
 * request go by, and can cut the connection or answer with an error instead.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

/** What to do with a request: pass it on, break the connection, or answer with this HTTP status. */
export type Verdict = "pass" | "cut" | number

/** A request that goes by. */
export interface ProxiedRequest {
  /** Counts from 1. */
  readonly count: number
  /** `GET /tasks?filters=…`. */
  readonly line: string
}

/** The proxy, as long as its scope is open. */
export interface EngineProxy {
  /** As a `DOCKER_HOST`. */
  readonly dockerHost: string
  /** Every request that came, in order. */
  readonly requests: ReadonlyArray<string>
  /** Breaks every connection that is open now. */
  readonly cutAll: () => void
  /** Breaks every connection that is open now and whose last request is such a one. */
  readonly cut: (wanted: RegExp) => void
}

const requestLine = /^((?:GET|POST|PUT|DELETE|HEAD) \S+) HTTP\/1\.1\r\n/

/** Listens on a socket of its own in front of the engine's. */
export const engineProxy = (upstream: string, judge: (request: ProxiedRequest) => Verdict = () => "pass") =>
  Effect.acquireRelease(
    Effect.callback<EngineProxy & { readonly close: () => Promise<void> }>((resume) => {
      const folder = mkdtempSync(join(tmpdir(), "task-exec-proxy-"))
      const path = join(folder, "docker.sock")
      const requests: Array<string> = []
      const open = new Set<Socket>()
      const lastLine = new Map<Socket, string>()
      const server = createServer({ allowHalfOpen: true }, (client) => {
        const engine = connect({ path: upstream, allowHalfOpen: true })
        const cut = () => {
          client.destroy()
          engine.destroy()
        }
        for (const socket of [client, engine]) {
          open.add(socket)
          socket.on("error", cut)
          socket.on("close", () => {
            open.delete(socket)
            lastLine.delete(socket)
            cut()
          })
        }
        client.on("data", (chunk) => {
          const line = requestLine.exec(chunk.toString("latin1", 0, 4096))?.[1]
          if (line !== undefined) lastLine.set(client, line)
          const verdict = line === undefined ? "pass" : judge({ count: requests.push(line), line })
          if (verdict === "cut") return cut()
          if (typeof verdict === "number") {
            const body = JSON.stringify({ message: "the proxy says no" })
            const head = `HTTP/1.1 ${verdict} No\r\nContent-Type: application/json\r\nConnection: close`
            return client.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
          }
          if (!engine.write(chunk)) client.pause()
        })
        engine.on("drain", () => client.resume())
        engine.on("data", (chunk) => {
          if (!client.write(chunk)) engine.pause()
        })
        client.on("drain", () => engine.resume())
        client.on("end", () => engine.end())
        engine.on("end", () => client.end())
      })
      const cutAll = () => {
        for (const socket of open) socket.destroy()
      }
      const cutSome = (wanted: RegExp) => {
        for (const [socket, line] of lastLine) if (wanted.test(line)) socket.destroy()
      }
      const close = async () => {
        cutAll()
        await new Promise((done) => server.close(done))
        rmSync(folder, { recursive: true, force: true })
      }
      server.listen(path, () =>
        resume(Effect.succeed({ dockerHost: `unix://${path}`, requests, cutAll, cut: cutSome, close }))
      )
    }),
    ({ close }) => Effect.promise(close)
  )
