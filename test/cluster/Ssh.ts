/** SSH to a node: a real sshd in the node's namespaces, and a client with keys for this run only. */

import { existsSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run } from "./Command.ts"
import { findProgram, PackagesMissing } from "./Packages.ts"
import { pollUntil } from "./Poll.ts"
import { startGroup } from "./ProcessGroup.ts"
import type { ClusterNode } from "./SwarmCluster.ts"

/** The SSH daemon does not accept connections. */
export class SshNotReady extends Schema.TaggedError<SshNotReady>()("SshNotReady", {
  node: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `no SSH connection to ${this.node}: ${this.detail}`
  }
}

/** The client of a node's SSH server. */
export interface Ssh {
  /** Folder with a program `ssh` that uses this run's configuration. It must be first on the PATH. */
  readonly bin: string
  /** `ssh://…` with a new connection each time. */
  readonly cold: string
  /** `ssh://…` over one connection that stays open, as docker's documentation recommends (ControlPersist). */
  readonly kept: string
  /** The number of SSH connections so far, that of `kept` included. */
  readonly accepted: Effect.Effect<number>
}

const daemonConfig = (dir: string, { address }: ClusterNode) => `ListenAddress ${address}
HostKey ${dir}/host_key
AuthorizedKeysFile ${dir}/key.pub
# The key lies in a folder for temporary files.
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
PidFile ${dir}/sshd.pid
`

const clientConfig = (dir: string, { address, name }: ClusterNode) => `Host ${name}-kept
  ControlPath ${dir}/master
Host ${name} ${name}-kept
  HostName ${address}
  IdentityFile ${dir}/key
  IdentitiesOnly yes
  UserKnownHostsFile ${dir}/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
`

const makeKey = (file: string) =>
  run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "task-exec test", "-f", file])

const textOf = (file: string) => Effect.promise(async () => (existsSync(file) ? await readFile(file, "utf8") : ""))

/** Writes keys and configuration. */
const prepare = Effect.fnUntraced(function* (dir: string, node: ClusterNode, ssh: string) {
  yield* Effect.promise(() => mkdir(join(dir, "bin"), { recursive: true, mode: 0o700 }))
  yield* Effect.all([makeKey(join(dir, "key")), makeKey(join(dir, "host_key"))], { concurrency: 2 })
  const hostKey = yield* textOf(join(dir, "host_key.pub"))
  yield* Effect.promise(async () => {
    await writeFile(join(dir, "sshd_config"), daemonConfig(dir, node))
    await writeFile(join(dir, "config"), clientConfig(dir, node))
    await writeFile(join(dir, "known_hosts"), `${node.address} ${hostKey}`)
    // OpenSSH takes the home folder from the user database, not from HOME.
    await writeFile(join(dir, "bin", "ssh"), `#!/bin/sh\nexec "${ssh}" -F "${dir}/config" "$@"\n`, { mode: 0o755 })
  })
})

/** Starts the daemon in the node's namespaces. It ends with the scope. */
const startDaemon = (dir: string, node: ClusterNode, sshd: string) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      yield* node.exec(["mkdir", "-p", "-m", "0755", "/run/sshd"])
      // If the package was installed after the node's start, the node's /etc lacks the daemon's user.
      yield* node.exec([
        "sh",
        "-c",
        "getent passwd sshd >&2 || useradd --system --no-create-home --home-dir /run/sshd sshd"
      ])
      yield* node.exec([sshd, "-f", join(dir, "sshd_config"), "-E", join(dir, "sshd.log")])
      yield* pollUntil(
        Effect.map(textOf(join(dir, "sshd.pid")), (pid) => pid !== ""),
        {
          atMost: 60_000,
          orElse: Effect.flatMap(textOf(join(dir, "sshd.log")), (log) =>
            Effect.fail(new SshNotReady({ node: node.name, detail: `the daemon is not up after 60 s. ${log}` }))
          )
        }
      )
    }),
    // The process ID is one of the node's namespace.
    () =>
      Effect.flatMap(textOf(join(dir, "sshd.pid")), (pid) => node.exec(["kill", pid.trim()])).pipe(
        Effect.catch((error) => Console.error(`the SSH daemon will end with its node only: ${error.message}`))
      )
  )

/** Starts the daemon and writes the client's files to `dir`. Both end with the scope. */
export const openSsh = Effect.fn("Ssh.open")(function* (dir: string, node: ClusterNode) {
  const [ssh, sshd] = [findProgram("ssh"), findProgram("sshd")]
  if (ssh === undefined || sshd === undefined) return yield* new PackagesMissing({ packages: ["ssh and sshd"] })
  yield* prepare(dir, node, ssh)
  yield* startDaemon(dir, node, sshd)
  const client = join(dir, "bin", "ssh")
  yield* run(client, [`root@${node.name}`, "docker", "version"]).pipe(
    Effect.catch((error) =>
      Effect.flatMap(textOf(join(dir, "sshd.log")), (log) =>
        Effect.fail(new SshNotReady({ node: node.name, detail: `${error.message}\n${log}` }))
      )
    )
  )
  yield* startGroup([client, "-N", "-M", `root@${node.name}-kept`], { PATH: process.env.PATH ?? "" })
  yield* pollUntil(
    Effect.sync(() => existsSync(join(dir, "master"))),
    {
      atMost: 60_000,
      orElse: Effect.fail(new SshNotReady({ node: node.name, detail: "the connection to be kept does not open" }))
    }
  )
  const opened: Ssh = {
    bin: join(dir, "bin"),
    cold: `ssh://root@${node.name}`,
    kept: `ssh://root@${node.name}-kept`,
    accepted: Effect.map(textOf(join(dir, "sshd.log")), (log) => log.match(/^Accepted /gm)?.length ?? 0)
  }
  return opened
})
