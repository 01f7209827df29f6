/** A way to a node by SSH: a real sshd in the node's namespaces, and a client that knows nothing but this run's keys. */

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

/** The SSH daemon does not take connections. */
export class SshNotReady extends Schema.TaggedError<SshNotReady>()("SshNotReady", {
  node: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `no SSH connection to ${this.node}: ${this.detail}`
  }
}

/** How a node is reached. */
export interface Ssh {
  /** Folder with a program `ssh` that reads this run's configuration; belongs first on the PATH. */
  readonly bin: string
  /** `ssh://…` with a new connection each time. */
  readonly cold: string
  /** `ssh://…` over one connection that stays open, as docker's documentation recommends (ControlPersist). */
  readonly kept: string
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
    // OpenSSH takes the home folder from the user database, whatever HOME says.
    await writeFile(join(dir, "bin", "ssh"), `#!/bin/sh\nexec "${ssh}" -F "${dir}/config" "$@"\n`, { mode: 0o755 })
  })
})

/** Starts the daemon, which is a process of the node's; it ends with the scope. */
const startDaemon = (dir: string, node: ClusterNode, sshd: string) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      yield* node.exec(["mkdir", "-p", "-m", "0755", "/run/sshd"])
      // Where the package was installed after the node had come up, the user that the daemon wants is unknown there.
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
    // The number is one of the node's process namespace.
    () =>
      Effect.flatMap(textOf(join(dir, "sshd.pid")), (pid) => node.exec(["kill", pid.trim()])).pipe(
        Effect.catch((error) => Console.error(`the SSH daemon will end with its node only: ${error.message}`))
      )
  )

/** Opens the way; it is closed with the scope. `dir` is for its files. */
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
    kept: `ssh://root@${node.name}-kept`
  }
  return opened
})
