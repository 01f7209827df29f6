/** Installs programs that only some tests or the benchmark need. */
import * as Effect from "effect/Effect"
import { run } from "./Command.ts"
import { exclusively } from "./Lock.ts"
import { findProgram, installPackages } from "./Packages.ts"

const install = Effect.fn("Tools.install")(function* (names: ReadonlyArray<string>) {
  yield* installPackages(names)
  // A service that must not start now must not start at the next boot either.
  if (names.includes("openssh-server") && findProgram("systemctl") !== undefined)
    yield* run("systemctl", ["disable", "ssh.service"])
})

/** Installs the packages whose program is missing, and prints their names before. `packages`: the program of each Debian package. */
export const installTools = Effect.fn("Tools.installTools")(function* (packages: Readonly<Record<string, string>>) {
  const missing = Object.entries(packages).flatMap(([name, program]) =>
    findProgram(program) === undefined ? [name] : []
  )
  if (missing.length > 0) yield* exclusively(install(missing))
})
