/**
 * The shared libraries of another architecture, from the packages of this machine's Debian release. The folder is laid out like the root of
 * such a machine. apt downloads the packages and verifies their signatures.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, readdir, rename, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type { Architecture } from "./Runtime.ts"
import { attempt, inProject, scratch } from "./Step.ts"

/** The packages whose libraries Node's Linux builds load: the C library with its loader and name services, and the C++ library. */
const packages = ["libc6", "libgcc-s1", "libstdc++6"] as const

/** Debian's names of the architectures. */
const debianNames: Readonly<Record<Architecture, string>> = { x64: "amd64", arm64: "arm64" }

const run = promisify(execFile)

/** Returns the folder. Makes it if it does not exist. */
export const sysroot = Effect.fn("Sysroot.get")(function* (arch: Architecture, cache = inProject(".cache")) {
  const folder = join(cache, `sysroot-${arch}`)
  if (existsSync(folder)) return folder
  const debian = debianNames[arch]
  yield* Effect.logInfo(`getting ${packages.join(", ")} for ${debian} from Debian's packages`)
  // A draft in the same file system, which a move completes at once.
  const draft = yield* scratch(cache)
  yield* attempt(`get ${packages.join(", ")} for ${debian} with apt-get`, async () => {
    const [root, debs, state] = ["root", "debs", "state"].map((name) => join(draft, name))
    if (root === undefined || debs === undefined || state === undefined) return
    await mkdir(root)
    await mkdir(debs)
    await mkdir(join(state, "lists", "partial"), { recursive: true })
    await mkdir(join(state, "archives", "partial"), { recursive: true })
    await writeFile(join(state, "status"), "")
    const options = [
      `APT::Architecture=${debian}`,
      `APT::Architectures::=${debian}`,
      `Dir::State=${state}`,
      `Dir::State::status=${join(state, "status")}`,
      `Dir::Cache=${state}`,
      "APT::Sandbox::User=",
      "Acquire::Languages=none",
      "Acquire::http::Timeout=20",
      "Acquire::https::Timeout=20"
    ].flatMap((option) => ["-o", option])
    const apt = (...args: ReadonlyArray<string>) =>
      run("apt-get", [...options, "--quiet", ...args], { cwd: debs, timeout: 300_000 })
    await apt("update", "--error-on=any")
    await apt("download", ...packages)
    for (const deb of await readdir(debs)) await run("dpkg-deb", ["--extract", join(debs, deb), root])
    // In newer Debian releases, /lib and /lib64 are links into /usr.
    for (const name of ["lib", "lib64"]) {
      if (!existsSync(join(root, name))) await symlink(join("usr", name), join(root, name))
    }
    await rename(root, folder)
  })
  return folder
}, Effect.scoped)
