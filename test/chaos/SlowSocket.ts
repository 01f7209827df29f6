/** A socket in front of another one, which can be made slow. */
import { mkdtempSync, rmSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

/** The socket, as long as its scope is open. */
export interface SlowSocket {
  /** As a `DOCKER_HOST`. */
  readonly dockerHost: string
  /** From now on every chunk of bytes, either way, is held for so many milliseconds. */
  readonly slowDown: (millis: number) => void
}

/** Listens on a socket of its own in front of `upstream`. */
export const slowSocket = (upstream: string) =>
  Effect.acquireRelease(
    Effect.callback<SlowSocket & { readonly close: () => Promise<void> }>((resume) => {
      const folder = mkdtempSync(join(tmpdir(), "task-exec-slow-"))
      const path = join(folder, "docker.sock")
      const open = new Set<Socket>()
      let delay = 0
      const pass = (from: Socket, to: Socket) => {
        const held = (deliver: () => void) => {
          from.pause()
          setTimeout(() => {
            deliver()
            from.resume()
          }, delay)
        }
        const deliver = (chunk: Buffer) => {
          if (to.destroyed || to.write(chunk)) return
          from.pause()
          to.once("drain", () => from.resume())
        }
        from.on("data", (chunk: Buffer) => (delay === 0 ? deliver(chunk) : held(() => deliver(chunk))))
        from.on("end", () => (delay === 0 ? to.end() : setTimeout(() => to.end(), delay)))
      }
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
            cut()
          })
        }
        pass(client, engine)
        pass(engine, client)
      })
      const close = async () => {
        for (const socket of open) socket.destroy()
        await new Promise((done) => server.close(done))
        rmSync(folder, { recursive: true, force: true })
      }
      const slowDown = (millis: number) => {
        delay = millis
      }
      server.listen(path, () => resume(Effect.succeed({ dockerHost: `unix://${path}`, slowDown, close })))
    }),
    ({ close }) => Effect.promise(close)
  )
