/** The tools that only the benchmark needs, and installing those that are missing. */

import { accessSync, chmodSync, constants, existsSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run, systemPath } from "../test/cluster/Command.ts"
import { exclusively } from "../test/cluster/Lock.ts"

/** A tool is missing, and can't be installed. */
export class ToolMissing extends Schema.TaggedError<ToolMissing>()("ToolMissing", {
  tools: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `the benchmark needs ${this.tools.join(", ")}, and there is no apt-get to install that with`
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

/** Debian's packages, with the program of theirs that is needed. */
const packages: Readonly<Record<string, string>> = {
  hyperfine: "hyperfine",
  time: "time",
  "openssh-client": "ssh-keygen",
  "openssh-server": "sshd",
  "docker.io": "docker"
}

const policyFile = "/usr/sbin/policy-rc.d"
const savedPolicy = `${policyFile}.before-task-exec-bench`

/** While the scope lives, packages do not start their services. */
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

const install = Effect.fn("Tools.install")(function* (names: ReadonlyArray<string>) {
  const args = ["install", "--yes", "--no-install-recommends", ...names]
  yield* servicesStayDown
  yield* apt(args).pipe(Effect.catch(() => Effect.andThen(apt(["update"]), apt(args))))
  // What must not start now must not start with the machine's next boot either.
  if (names.includes("openssh-server") && findProgram("systemctl") !== undefined)
    yield* run("systemctl", ["disable", "ssh.service"])
}, Effect.scoped)

/** Installs the packages that are missing, after saying which. */
export const installTools = Effect.fn("Tools.installTools")(function* () {
  const names = Object.entries(packages).flatMap(([name, program]) =>
    findProgram(program) === undefined ? [name] : []
  )
  if (names.length === 0) return
  if (findProgram("apt-get") === undefined) return yield* new ToolMissing({ tools: names })
  yield* Console.error(`installing ${names.join(", ")} with apt-get (their services are not started)`)
  yield* exclusively(install(names))
})
