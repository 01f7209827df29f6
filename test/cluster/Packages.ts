/** Programs of this machine, and the Debian packages that have them. */
import { accessSync, chmodSync, constants, existsSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run, systemPath } from "./Command.ts"

/** Packages are missing and cannot be installed. */
export class PackagesMissing extends Schema.TaggedError<PackagesMissing>()("PackagesMissing", {
  packages: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `there is no apt-get to install ${this.packages.join(", ")} with`
  }
}

/** The folders that are searched for programs. */
export const searchPath = `${process.env.PATH ?? ""}:${systemPath}`

/** Path of a program. `undefined` if it does not exist. */
export const findProgram = (name: string): string | undefined =>
  searchPath
    .split(":")
    .filter((dir) => dir !== "")
    .map((dir) => join(dir, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

const policyFile = "/usr/sbin/policy-rc.d"
const savedPolicy = `${policyFile}.before-task-exec`

/** Until the scope closes, installed packages do not start their services, so that no engine of the machine starts. */
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

/**
 * Installs packages without starting their services, and prints their names before. Only one process at a time may do this (see `Lock.ts`).
 */
export const installPackages = Effect.fn("Packages.install")(function* (names: ReadonlyArray<string>) {
  if (findProgram("apt-get") === undefined) return yield* new PackagesMissing({ packages: names })
  yield* Console.error(`installing ${names.join(", ")} with apt-get (their services are not started)`)
  const args = ["install", "--yes", "--no-install-recommends", ...names]
  yield* servicesStayDown
  yield* apt(args).pipe(Effect.catch(() => Effect.andThen(apt(["update"]), apt(args))))
}, Effect.scoped)
