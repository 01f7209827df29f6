/** The requirements of the machine, and the installation of those that Debian has. */

import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run } from "./Command.ts"
import { namespaces } from "./Machine.ts"
import { findProgram, installPackages } from "./Packages.ts"

/** This machine cannot run a swarm. */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", { why: Schema.String }) {
  override get message(): string {
    return `the embedded swarm can't run here: ${this.why}`
  }
}

const missing = (file: string): boolean => findProgram(file) === undefined

/** Whether there is no static busybox, which needs no libraries in its image. */
const noStaticBusybox = (): boolean => {
  if (!existsSync("/bin/busybox")) return true
  const head = Buffer.alloc(4096)
  const file = openSync("/bin/busybox", "r")
  readSync(file, head)
  closeSync(file)
  return head.includes("/ld-")
}

/** Debian's packages, each with a check whether it is missing. */
const packages: Readonly<Record<string, () => boolean>> = {
  "docker.io": () => missing("dockerd") || missing("containerd") || missing("runc"),
  "docker-registry": () => missing("docker-registry"),
  "busybox-static": noStaticBusybox,
  iproute2: () => missing("ip"),
  iptables: () => missing("iptables"),
  "util-linux": () => missing("nsenter") || missing("unshare") || missing("flock") || missing("setpriv")
}

/** Fails unless this is Linux, the user is root, and namespaces can be created. */
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

/** Installs the missing packages, and prints their names before. */
export const installMissing = Effect.fn("Install.installMissing")(function* () {
  const names = Object.entries(packages).flatMap(([name, isMissing]) => (isMissing() ? [name] : []))
  if (names.length === 0) return
  yield* installPackages(names).pipe(
    Effect.catchTag("PackagesMissing", ({ message }) => new Unsupported({ why: message }))
  )
})
