/**
 * A proxy between a client and an engine's socket, for faults that a real engine does not have on demand. It sees every request. It can
 * break connections, answer in the engine's place, delay data, keep a request until its client has disconnected, or stop all traffic
 * without closing anything.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

/** A response in place of the engine's. */
export interface ProxyAnswer {
  /** HTTP status. */
  readonly status: number
  readonly message: string
}

/**
 * What the proxy does with a request: `pass` forwards it, `cut` breaks the connection, `keep` holds it until `release`, and an answer
 * replaces the engine's.
 */
export type Verdict = "pass" | "cut" | "keep" | ProxyAnswer

/** A request that arrives at the proxy. */
export interface ProxiedRequest {
  /** The number of the request, from 1. */
  readonly count: number
  /** `GET /tasks?filters=…`. */
  readonly line: string
}

/** The proxy. It ends with its scope. */
export interface EngineProxy {
  /** Its address as a `DOCKER_HOST`. */
  readonly dockerHost: string
  /** The request lines so far, in order. */
  readonly requests: ReadonlyArray<string>
  /** Breaks all open connections. */
  readonly cutAll: () => void
  /** Breaks the open connections whose last request matches. */
  readonly cut: (wanted: RegExp) => void
  /** Delays every chunk of bytes, in both directions, by this time. */
  readonly slowDown: (millis: number) => void
  /** Forwards the kept requests, even if their clients have disconnected. */
  readonly release: () => void
  /**
   * Stops all traffic without closing anything, as when a VPN fails: open connections stay open, new ones are accepted, and neither side
   * notices.
   */
  readonly silence: () => void
  /** Breaks all connections and refuses new ones. */
  readonly refuse: () => void
}

/** The proxy's address: a socket file, or a local port, where connections can be refused. */
export type ProxyAddress = "unix" | "tcp"

const requestLine = /^((?:GET|POST|PUT|DELETE|HEAD) \S+) HTTP\/1\.1\r\n/

/** Starts a proxy in front of the engine's socket. */
export const engineProxy = (
  upstream: string,
  judge: (request: ProxiedRequest) => Verdict = () => "pass",
  address: ProxyAddress = "unix"
) =>
  Effect.acquireRelease(
    Effect.callback<EngineProxy & { readonly close: () => Promise<void> }>((resume) => {
      const folder = mkdtempSync(join(tmpdir(), "task-exec-proxy-"))
      const path = join(folder, "docker.sock")
      const requests: Array<string> = []
      const open = new Set<Socket>()
      const lastLine = new Map<Socket, string>()
      /** Requests that the engine has not received. */
      const kept = new Map<Socket, Array<Buffer>>()
      let delay = 0
      let silent = false
      const continueReading = (socket: Socket) => {
        if (!silent) socket.resume()
      }
      /** Forwards the chunks that `admit` accepts, one after the other. */
      const pass = (from: Socket, to: Socket, admit: (chunk: Buffer) => boolean) => {
        const deliver = (chunk: Buffer) => {
          if (silent) return
          if (to.destroyed || to.write(chunk)) continueReading(from)
          else {
            from.pause()
            to.once("drain", () => continueReading(from))
          }
        }
        from.on("data", (chunk: Buffer) => {
          if (!admit(chunk)) return
          if (delay === 0) deliver(chunk)
          else {
            from.pause()
            setTimeout(deliver, delay, chunk)
          }
        })
        from.on("end", () => {
          // The end of what is kept follows it.
          if (kept.has(to)) return
          if (delay === 0) to.end()
          else setTimeout(() => to.end(), delay)
        })
      }
      const server = createServer({ allowHalfOpen: true }, (client) => {
        if (silent) {
          open.add(client)
          client.on("error", () => client.destroy())
          client.on("close", () => open.delete(client))
          client.pause()
          return
        }
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
            if (socket !== client || !kept.has(engine)) cut()
          })
        }
        const judged = (chunk: Buffer): boolean => {
          const more = kept.get(engine)
          if (more !== undefined) {
            more.push(chunk)
            return false
          }
          const line = requestLine.exec(chunk.toString("latin1", 0, 4096))?.[1]
          if (line !== undefined) lastLine.set(client, line)
          const verdict = line === undefined ? "pass" : judge({ count: requests.push(line), line })
          if (verdict === "pass") return true
          if (verdict === "cut") cut()
          else if (verdict === "keep") kept.set(engine, [chunk])
          else {
            const body = JSON.stringify({ message: verdict.message })
            const head = `HTTP/1.1 ${verdict.status} No\r\nContent-Type: application/json\r\nConnection: close`
            client.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
          }
          return false
        }
        pass(client, engine, judged)
        pass(engine, client, () => true)
      })
      const cutAll = () => {
        for (const socket of open) socket.destroy()
      }
      const cutSome = (wanted: RegExp) => {
        for (const [socket, line] of lastLine) if (wanted.test(line)) socket.destroy()
      }
      const refuse = () => {
        server.close()
        cutAll()
      }
      const close = async () => {
        cutAll()
        if (server.listening) await new Promise((done) => server.close(done))
        rmSync(folder, { recursive: true, force: true })
      }
      const slowDown = (millis: number) => {
        delay = millis
      }
      const release = () => {
        for (const [engine, chunks] of kept) engine.end(Buffer.concat(chunks))
        kept.clear()
      }
      const silence = () => {
        silent = true
        for (const socket of open) socket.pause()
      }
      const listening = () => {
        const bound = server.address()
        const dockerHost =
          typeof bound === "object" && bound !== null ? `tcp://127.0.0.1:${bound.port}` : `unix://${path}`
        resume(
          Effect.succeed({ dockerHost, requests, cutAll, cut: cutSome, slowDown, release, silence, refuse, close })
        )
      }
      if (address === "unix") server.listen(path, listening)
      else server.listen(0, "127.0.0.1", listening)
    }),
    ({ close }) => Effect.promise(close)
  )
