/** The tools that only the benchmark needs, and installing those that are missing. */

import * as Effect from "effect/Effect"
import { run } from "../test/cluster/Command.ts"
import { exclusively } from "../test/cluster/Lock.ts"
import { findProgram, installPackages } from "../test/cluster/Packages.ts"

/** Debian's packages, with the program of theirs that is needed. */
const packages: Readonly<Record<string, string>> = {
  hyperfine: "hyperfine",
  time: "time",
  "openssh-client": "ssh-keygen",
  "openssh-server": "sshd",
  "docker.io": "docker"
}

const install = Effect.fn("Tools.install")(function* (names: ReadonlyArray<string>) {
  yield* installPackages(names)
  // What must not start now must not start with the machine's next boot either.
  if (names.includes("openssh-server") && findProgram("systemctl") !== undefined)
    yield* run("systemctl", ["disable", "ssh.service"])
})

/** Installs the packages that are missing, after saying which. */
export const installTools = Effect.fn("Tools.installTools")(function* () {
  const names = Object.entries(packages).flatMap(([name, program]) =>
    findProgram(program) === undefined ? [name] : []
  )
  if (names.length > 0) yield* exclusively(install(names))
})
