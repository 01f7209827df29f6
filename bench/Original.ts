/**
 * The original plugin (skopos-plugin-swarm-exec) from its checkout, run by this machine's Python, with an image for its helper. The image
 * has the content of its Dockerfile, from the Debian packages of this machine.
 */
import { existsSync, lstatSync, readdirSync, realpathSync } from "node:fs"
import { copyFile, mkdir, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run } from "../test/cluster/Command.ts"
import { importImage, pushImage } from "../test/cluster/Images.ts"
import { exclusively } from "../test/cluster/Lock.ts"
import { installPackages } from "../test/cluster/Packages.ts"
import type { Contender } from "./Measure.ts"

/** The folder is not a checkout of the original plugin. */
export class NotTheOriginal extends Schema.TaggedError<NotTheOriginal>()("NotTheOriginal", {
  dir: Schema.String,
  missing: Schema.String
}) {
  override get message(): string {
    return `${this.dir} is not a checkout of skopos-plugin-swarm-exec: there is no ${this.missing}`
  }
}

/** The original plugin, ready to run. */
export interface Original {
  /** Its command `task-exec`. */
  readonly taskExec: (taskId: string, ...command: ReadonlyArray<string>) => Contender
  /** The image of its helper by tag, and the name in tables. */
  readonly image: string
  readonly imageName: string
}

const program = "plugin/swarm-exec"
const library = "lib/skpp.py"
const packageName = "python3-docker"
/** Debian's Python. Another one on the PATH lacks Debian's packages. */
const python = "/usr/bin/python3"

/** Copies the files that the original's Dockerfile copies, so that Python writes nothing into the checkout. */
const copyTo = Effect.fnUntraced(function* (app: string, dir: string) {
  for (const file of [program, library])
    if (!existsSync(join(dir, file))) return yield* new NotTheOriginal({ dir, missing: file })
  yield* Effect.promise(async () => {
    await mkdir(app, { recursive: true })
    await copyFile(join(dir, program), join(app, "swarm-exec"))
    await copyFile(join(dir, library), join(app, "skpp.py"))
  })
  yield* run("chmod", ["755", join(app, "swarm-exec")])
})

const install = Effect.fnUntraced(function* () {
  const installed = yield* Effect.isSuccess(run("dpkg-query", ["--show", packageName]))
  if (!installed) yield* exclusively(installPackages([packageName]))
})

const lines = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "")

/** The folders of Python's modules, with their compiled files, which no package lists. */
const moduleTrees = (): ReadonlyArray<string> =>
  readdirSync("/usr/lib")
    .filter((name) => name.startsWith("python3"))
    .map((name) => `usr/lib/${name}`)

/** The other files of these packages and of their dependencies, relative to the root folder. */
const filesOf = Effect.fnUntraced(function* (trees: ReadonlyArray<string>, packages: ReadonlyArray<string>) {
  const kinds = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"]
  const flags = ["--recurse", "--installed", ...kinds.map((kind) => `--no-${kind}`)]
  const depends = lines(yield* run("apt-cache", ["depends", ...flags, ...packages]))
  const names = depends.filter((line) => /^[a-z0-9]/.test(line))
  const listed = lines(yield* run("dpkg-query", ["--listfiles", ...names])).filter(
    (path) => existsSync(path) && !lstatSync(path).isDirectory() && !path.startsWith("/usr/share/")
  )
  // If /lib is a link, the files are in its target.
  const links = ["/bin", "/sbin", "/lib", "/lib64"].filter(
    (path) => existsSync(path) && lstatSync(path).isSymbolicLink()
  )
  const placed = listed.map((path) => join(realpathSync(dirname(path)), basename(path)))
  const others = placed.filter((path) => !trees.some((tree) => path.startsWith(`/${tree}/`)))
  return [...new Set([...links, ...others])].map((path) => path.slice(1))
})

/** Builds the image. The folder has the original's files in `app`. */
const makeImage = Effect.fnUntraced(function* (socket: string, ref: string, dir: string) {
  const list = join(dir, "original.files")
  const tar = join(dir, "original.tar")
  const trees = moduleTrees()
  // The second package depends on any Python, so python3 is named, too.
  const files = yield* filesOf(trees, ["python3", packageName])
  yield* Effect.promise(() => writeFile(list, `${files.join("\n")}\n`))
  yield* run("tar", ["-cf", tar, "-C", "/", "--no-recursion", "-T", list, "--recursion", ...trees], {
    timeout: 120_000
  })
  yield* run("tar", ["-rf", tar, "--owner=0", "--group=0", "-C", dir, "app"])
  yield* importImage(socket, ref, tar, ["WORKDIR /app", 'ENTRYPOINT ["./swarm-exec"]'])
  yield* pushImage(socket, ref)
})

/** Prepares the original. `checkout` is its folder, and `dir` a folder for temporary files. */
export const prepareOriginal = Effect.fn("Original.prepare")(function* (
  checkout: string,
  { dir, registry, socket }: { readonly dir: string; readonly registry: string; readonly socket: string }
) {
  const app = join(dir, "app")
  const image = `${registry}/swarm-exec-original:bench`
  yield* copyTo(app, checkout)
  yield* install()
  yield* makeImage(socket, image, dir)
  const original: Original = {
    taskExec: (taskId, ...command) => ({
      name: "the original plugin",
      argv: [python, join(app, "swarm-exec"), "task-exec", "--image", image, taskId, ...command]
    }),
    image,
    imageName: "the original plugin's image, with Debian's Python"
  }
  return original
})
