/** An engine that serves the requests of one command in a task on it, and runs nothing. */
import { once } from "node:events"
import { createServer, type Server } from "node:http"

/** The task. */
export const target = "web.1"

/** The command's output. */
export const output = "done\n"

const id = (kind: string): string => kind.padEnd(64, "0")

const task = {
  ID: id("task"),
  ServiceID: id("service"),
  NodeID: id("node"),
  Slot: 1,
  Spec: { ContainerSpec: { Image: "busybox:1" } },
  Status: { State: "running", ContainerStatus: { ContainerID: id("container"), PID: 0 } },
  DesiredState: "running"
}
const service = { ID: id("service"), Spec: { Name: "web", Mode: { Replicated: { Replicas: 1 } } } }
const node = {
  ID: id("node"),
  Spec: { Role: "manager", Availability: "active" },
  Description: { Hostname: "node-1", Platform: { Architecture: "x86_64", OS: "linux" } },
  Status: { State: "ready", Addr: "127.0.0.1" }
}
const container = { Id: id("container"), State: { Status: "running", Running: true, Pid: 0 } }
const summary = { Id: id("container"), Labels: { "com.docker.swarm.node.id": id("node") }, State: "running" }
const info = { Name: "node-1", ServerVersion: "28.5.2", Swarm: { NodeID: id("node"), LocalNodeState: "active" } }

/** What the engine has, by method and path. It has nothing else: no image for a guard, and no leftovers. */
const objects: Readonly<Record<string, unknown>> = {
  "GET /services/web": service,
  "GET /tasks": [task],
  "GET /containers/json": [summary],
  [`GET /nodes/${id("node")}`]: node,
  [`GET /containers/${id("container")}/json`]: container,
  [`POST /containers/${id("container")}/exec`]: { Id: id("exec") },
  [`GET /exec/${id("exec")}/json`]: { ID: id("exec"), Running: false, ExitCode: 0, Pid: 2 },
  "GET /info": info
}

/** The command's output as the engine frames it: the stream (1 is stdout), three zeros, the length. */
const framed = (): Buffer => {
  const header = Buffer.alloc(8)
  header.writeUInt8(1)
  header.writeUInt32BE(output.length, 4)
  return Buffer.concat([header, Buffer.from(output)])
}

/** Starts the engine on a socket. */
export const serveEngine = async (socket: string): Promise<Server> => {
  const server = createServer(({ method, url = "" }, response) => {
    const path = decodeURIComponent(url)
    const [found] = Object.entries(objects).filter(([key]) => `${method} ${path}`.startsWith(key))
    const isList = /^\/[a-z]+\?/.test(path)
    response.writeHead(found !== undefined || isList ? (method === "POST" ? 201 : 200) : 404, {
      "Api-Version": "1.51",
      "Content-Type": "application/json"
    })
    response.end(JSON.stringify(found?.[1] ?? (isList ? [] : { message: "no such object" })))
  })
  server.on("upgrade", (_request, connection) => {
    connection.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    connection.end(framed())
  })
  server.listen(socket)
  await once(server, "listening")
  return server
}
