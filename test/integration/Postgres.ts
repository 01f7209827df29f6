/** A PostgreSQL server of this machine's Debian packages in a service, and its client. */
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import * as Effect from "effect/Effect"
import { run } from "../cluster/Command.ts"
import { findProgram, installPackages } from "../cluster/Packages.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"

const folder = "/usr/lib/postgresql"

/** Installs PostgreSQL if this machine does not have it. */
const installed = Effect.suspend(() =>
  findProgram("psql") === undefined ? installPackages(["postgresql"]) : Effect.void
)

/** Creates the service. Its containers have this machine's programs, from Debian's packages. It listens on 127.0.0.1 only. */
export const postgres = Effect.fnUntraced(function* (name: string, node: ClusterNode) {
  yield* installed
  const { image, manager } = yield* SwarmCluster
  // An engine looks up user names in the image, before it mounts anything.
  const user = (yield* run("id", ["-u", "postgres"])).trim()
  const [version = ""] = readdirSync(folder)
  const programs = `${folder}/${version}/bin`
  const start = [
    `${programs}/initdb --auth=trust --no-sync -D /data/main`,
    `exec ${programs}/postgres -D /data/main -k /data -c listen_addresses=127.0.0.1 -c fsync=off`
  ].join(" && ")
  const mounted = ["/usr", "/etc/passwd", "/etc/group"].map((path) => ({
    Type: "bind",
    Source: path,
    Target: path,
    ReadOnly: true
  }))
  const libraries = ["lib", "lib64"].map((path) => ({
    Type: "bind",
    Source: `/usr/${path}`,
    Target: `/${path}`,
    ReadOnly: true
  }))
  yield* service(manager.socket, {
    name,
    image,
    node: node.name,
    command: ["sh", "-c", start],
    user,
    containerSpec: {
      Mounts: [...mounted, ...libraries, { Type: "tmpfs", Target: "/data", TmpfsOptions: { Mode: 0o1777 } }]
    }
  })
  yield* waitRunning(manager.socket, name, 1)
})

/** The output of the client, or its error message. */
export const psql = (port: number, statement: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const args = ["-h", "127.0.0.1", "-p", String(port), "-U", "postgres", "-X", "-A", "-t", "-c", statement]
    execFile("psql", args, (error, stdout, stderr) => resume(Effect.succeed(error === null ? stdout : stderr)))
  })
