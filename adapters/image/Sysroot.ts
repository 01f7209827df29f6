/**
 * The shared libraries of another kind of processor: those of Debian's packages, of the release that this machine has. They stand in a
 * folder as they would at the root of such a machine. apt gets the packages, with its own checks of their signatures.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, readdir, rename, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type { Architecture } from "./Runtime.ts"
import { attempt, inProject, scratch } from "./Step.ts"

/** Everything that Node's Linux builds load: the C library with its loader and name services, and the C++ library. */
const packages = ["libc6", "libgcc-s1", "libstdc++6"] as const

/** Debian's names of the processors. */
const debianNames: Readonly<Record<Architecture, string>> = { x64: "amd64", arm64: "arm64" }

const run = promisify(execFile)

/** Returns the folder. It is made once, and kept. */
export const sysroot = Effect.fn("Sysroot.get")(function* (arch: Architecture, cache = inProject(".cache")) {
  const folder = join(cache, `sysroot-${arch}`)
  if (existsSync(folder)) return folder
  const debian = debianNames[arch]
  yield* Effect.logInfo(`getting ${packages.join(", ")} for ${debian} from Debian's packages`)
  // In the same file system, so that the finished folder can be moved.
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
    // Newer releases of Debian have everything below /usr, and links to there.
    for (const name of ["lib", "lib64"]) {
      if (!existsSync(join(root, name))) await symlink(join("usr", name), join(root, name))
    }
    await rename(root, folder)
  })
  return folder
}, Effect.scoped)
