/**
 * The Node that goes into the executable: from the npm registry, as the project's own. That one is newer, but from version 25 on
 * Node's Linux builds want libatomic.so.1, which Debian, Ubuntu and others do not install by themselves; those of the long-term
 * 24 want nothing that is not there wherever glibc and the C++ library are.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, rename } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { attempt, inProject, scratch } from "./SingleExecutable.ts"

export const version = "24.21.0"

/** The processors that there is a Node for, as Node calls them. */
export const architectures = ["x64", "arm64"] as const
export type Architecture = (typeof architectures)[number]

/** The path of this Node for Linux; npm gets it, and checks it, where it is not there yet. */
export const runtime = Effect.fn("Runtime.get")(function* (arch: Architecture) {
  const name = `node-linux-${arch}`
  const folder = inProject(`.cache/${name}-${version}`)
  const node = join(folder, "bin", "node")
  if (existsSync(node)) return node
  yield* Effect.logInfo(`getting ${name}@${version}`)
  // In the same place, so that it can be moved: there is all of it, or nothing.
  const draft = yield* scratch(inProject(".cache"))
  yield* attempt(`get ${name}@${version}`, async () => {
    // npm would not install what is for another processor.
    const packed = await run("npm", ["pack", "--silent", "--prefer-offline", `${name}@${version}`], { cwd: draft })
    const files = ["package/bin/node", "package/LICENSE"]
    const made = join(draft, "node")
    await mkdir(made)
    await run("tar", ["-xzf", packed.stdout.trim(), "-C", made, "--strip-components=1", ...files], { cwd: draft })
    await rename(made, folder)
  })
  return node
}, Effect.scoped)

const run = promisify(execFile)
