/** A service whose tasks accept connections: a program for Node in our own image, which serves as a user's image here. */
import * as Effect from "effect/Effect"
import { removeService, type ServiceOptions, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"

/** The ports of the server. */
export const ports = {
  /** HTTP: `/hash` answers with the SHA-256 of the body, `/bytes/N` with N bytes, everything else with the path. */
  http: 8080,
  /** Answers with everything that it has read, after the other side has ended. */
  late: 8081,
  /** Listens on the container's own address only. */
  outside: 8082,
  /** Listens on ::1 only, if the container has that address. Containers of engine 20.10 do not. `/six` returns whether it does. */
  six: 8083,
  /** Ends its own side at once, then counts the bytes from the other side until that ends. See `/counted`. */
  early: 8084,
  /** A port without a listener. */
  nobody: 9
} as const

const program = `
const { createServer } = require("node:http"), net = require("node:net"), { createHash } = require("node:crypto")
const { networkInterfaces } = require("node:os")
let counted = 0, six = false
createServer((request, response) => {
  const [, bytes] = /^\\/bytes\\/(\\d+)$/.exec(request.url) ?? []
  if (bytes !== undefined) {
    const block = Buffer.from(Array.from({ length: 65536 }, (_, n) => (n * 31 + (n >> 8)) & 255))
    let left = Number(bytes)
    const go = () => {
      while (left > 0) {
        const piece = block.subarray(0, Math.min(left, block.length))
        left -= piece.length
        if (!response.write(piece)) return response.once("drain", go)
      }
      response.end()
    }
    go()
  } else if (request.url === "/hash") {
    const hash = createHash("sha256")
    request.on("data", (data) => hash.update(data)).on("end", () => response.end(hash.digest("hex")))
  } else response.end(request.url === "/counted" ? String(counted) : request.url === "/six" ? String(six) : request.url)
}).listen(${ports.http})
const serve = (port, host, take) => net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {})
  take(socket)
}).listen(port, host)
const name = (socket) => socket.end("port " + socket.localPort)
serve(${ports.late}, "127.0.0.1", (socket) => {
  const read = []
  socket.on("data", (data) => read.push(data)).on("end", () => socket.end(Buffer.concat(read)))
})
const own = Object.values(networkInterfaces()).flat().find(({ family, internal }) => family === "IPv4" && !internal)
serve(${ports.outside}, own.address, name)
serve(${ports.six}, "::1", name).on("listening", () => (six = true)).on("error", () => {})
serve(${ports.early}, "127.0.0.1", (socket) => {
  socket.end("that is all")
  socket.on("data", (data) => (counted += data.length))
})
`

/** Creates the service and waits for its task. It is removed with the scope. */
export const taskServer = Effect.fnUntraced(function* (options: Omit<ServiceOptions, "command" | "image">) {
  const { manager, registry } = yield* SwarmCluster
  const id = yield* service(manager.socket, {
    ...options,
    image: `${registry}/task-exec:dev`,
    command: ["node", "-e", program],
    restartDelay: 100
  })
  yield* waitRunning(manager.socket, options.name, 1)
  return { id, remove: removeService(manager.socket, id) }
})
