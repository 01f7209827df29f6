/** Programs of this machine, and Debian's packages that bring them. */
import { accessSync, chmodSync, constants, existsSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run, systemPath } from "./Command.ts"

/** Packages are missing, and there is nothing to install them with. */
export class PackagesMissing extends Schema.TaggedError<PackagesMissing>()("PackagesMissing", {
  packages: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `there is no apt-get to install ${this.packages.join(", ")} with`
  }
}

/** The folders in which programs are looked for. */
export const searchPath = `${process.env.PATH ?? ""}:${systemPath}`

/** Path of a program, or undefined if there is none of this name. */
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

/**
 * Installs packages, after saying which; their services are not started. To be run by one process at a time (see
 * `Lock.ts`).
 */
export const installPackages = Effect.fn("Packages.install")(function* (names: ReadonlyArray<string>) {
  if (findProgram("apt-get") === undefined) return yield* new PackagesMissing({ packages: names })
  yield* Console.error(`installing ${names.join(", ")} with apt-get (their services are not started)`)
  const args = ["install", "--yes", "--no-install-recommends", ...names]
  yield* servicesStayDown
  yield* apt(args).pipe(Effect.catch(() => Effect.andThen(apt(["update"]), apt(args))))
}, Effect.scoped)
