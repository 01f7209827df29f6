/** What the machine must bring, and installing what Debian has of it. */

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run, systemPath } from "./Command.ts"
import { namespaces } from "./Machine.ts"

/** This machine can't carry a swarm. */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", { why: Schema.String }) {
  override get message(): string {
    return `the embedded swarm can't run here: ${this.why}`
  }
}

const missing = (file: string): boolean =>
  `${process.env.PATH ?? ""}:${systemPath}`.split(":").every((dir) => {
    try {
      accessSync(join(dir, file), constants.X_OK)
      return false
    } catch {
      return true
    }
  })

/** A busybox that needs no library runs in an image of its own. */
const noStaticBusybox = (): boolean => {
  if (!existsSync("/bin/busybox")) return true
  const head = Buffer.alloc(4096)
  const file = openSync("/bin/busybox", "r")
  readSync(file, head)
  closeSync(file)
  return head.includes("/ld-")
}

/** Debian's packages, with the sign that one is missing. */
const packages: Readonly<Record<string, () => boolean>> = {
  "docker.io": () => missing("dockerd") || missing("containerd") || missing("runc"),
  "docker-registry": () => missing("docker-registry"),
  "busybox-static": noStaticBusybox,
  iproute2: () => missing("ip"),
  iptables: () => missing("iptables"),
  "util-linux": () => missing("nsenter") || missing("unshare") || missing("flock") || missing("setpriv")
}

const policyFile = "/usr/sbin/policy-rc.d"
const savedPolicy = `${policyFile}.before-task-exec`

/** While the scope lives, packages do not start their services: no engine of the machine's own starts. */
const servicesStayDown = Effect.acquireRelease(
  Effect.sync(() => {
    if (existsSync(policyFile) && !existsSync(savedPolicy)) renameSync(policyFile, savedPolicy)
    writeFileSync(policyFile, "#!/bin/sh\nexit 101\n")
    chmodSync(policyFile, 0o755)
  }),
  () =>
    Effect.sync(() => {
      if (existsSync(savedPolicy)) renameSync(savedPolicy, policyFile)
      else rmSync(policyFile)
    })
)

const apt = (args: ReadonlyArray<string>) =>
  run("apt-get", args, {
    env: { PATH: systemPath, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" },
    timeout: 600_000
  })

const install = Effect.fn("Install.install")(function* (names: ReadonlyArray<string>) {
  if (missing("apt-get"))
    return yield* new Unsupported({ why: `there is no apt-get to install ${names.join(", ")} with` })
  const args = ["install", "--yes", "--no-install-recommends", ...names]
  yield* servicesStayDown
  yield* apt(args).pipe(Effect.catch(() => Effect.andThen(apt(["update"]), apt(args))))
}, Effect.scoped)

/** Fails unless this is Linux, we are root, and namespaces can be made. */
export const checkMachine = Effect.fn("Install.checkMachine")(function* () {
  if (process.platform !== "linux")
    return yield* new Unsupported({ why: `it needs Linux, this is ${process.platform}` })
  if (process.getuid?.() !== 0) return yield* new Unsupported({ why: "it must be started as root" })
  if (!/^\s*0\s+0\s+4294967295$/m.test(readFileSync("/proc/self/uid_map", "utf8")))
    return yield* new Unsupported({ why: "root here is only root of a user namespace" })
  if (missing("unshare")) return
  yield* run("unshare", [...namespaces, "--fork", "--mount-proc", "true"]).pipe(
    Effect.mapError((error) => new Unsupported({ why: `namespaces are not allowed: ${error.message}` }))
  )
})

/** Installs the packages that are missing, after saying which. */
export const installMissing = Effect.fn("Install.installMissing")(function* () {
  const names = Object.entries(packages).flatMap(([name, isMissing]) => (isMissing() ? [name] : []))
  if (names.length === 0) return
  yield* Console.error(`installing ${names.join(", ")} with apt-get (their services are not started)`)
  yield* install(names)
})
