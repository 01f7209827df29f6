/**
 * The files of a release: the npm package, the single file and its checksums, built with the swarm's image as the published one. A server
 * on this machine has the files, and is the npm registry for the package and its dependencies.
 */
import { execFile } from "node:child_process"
import { cp, mkdir, readFile, symlink } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { closure, Lock } from "./Consumer.ts"
import { temporaryFolder } from "./Harness.ts"

const root = join(import.meta.dirname, "../..")
const run = promisify(execFile)

const Manifest = Schema.fromJsonString(
  Schema.StructWithRest(Schema.Struct({ version: Schema.String }), [Schema.Record(Schema.String, Schema.Unknown)])
)
const readManifest = async (folder: string) =>
  Schema.decodeSync(Manifest)(await readFile(join(folder, "package.json"), "utf8"))

/** The folder of the files, with the path of the single file. It is removed with the scope. */
export const buildRelease = Effect.gen(function* () {
  const image = yield* Config.String("TASK_EXEC_IMAGE")
  const folder = yield* temporaryFolder("release")
  const checkout = join(folder, "checkout")
  const files = join(folder, "files")
  yield* Effect.promise(async () => {
    await mkdir(files)
    const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: root })
    for (const name of stdout.split("\0").filter((one) => /^(?:src|adapters|docs|man)\/|^[^/]+$/.test(one))) {
      await mkdir(join(checkout, dirname(name)), { recursive: true })
      await cp(join(root, name), join(checkout, name))
    }
    await symlink(join(root, "node_modules"), join(checkout, "node_modules"))
    const env = { ...process.env, TASK_EXEC_PUBLISHED_IMAGE: image }
    const options = { cwd: checkout, env }
    await run("npm", ["run", "build"], options)
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", files], options)
    // From this Node, so that nothing is downloaded.
    await run(
      process.execPath,
      [join(checkout, "adapters/package/main.ts"), "--node", process.execPath, "--out", files],
      options
    )
  })
  return { files, executable: join(files, `task-exec-linux-${process.arch}`) }
})

/** Serves the files below `/files/`, and the npm registry. Returns its address. */
export const serveRelease = Effect.fn("Release.serve")(function* (files: string) {
  const lock = Schema.decodeSync(Lock)(yield* Effect.promise(() => readFile(join(root, "package-lock.json"), "utf8")))
  const folders = new Map<string, Map<string, string>>()
  const add = (name: string, version: string, folder: string) =>
    folders.set(name, (folders.get(name) ?? new Map()).set(version, folder))
  for (const path of closure(lock.packages, ["dockerode", "effect"])) {
    const { version } = yield* Effect.promise(() => readManifest(join(root, path)))
    add(path.replace(/^.*node_modules\//, ""), version, join(root, path))
  }
  const own = yield* Effect.promise(() => readManifest(root))

  const packument = async (name: string, base: string) => {
    const found =
      name === "task-exec" ? new Map([[own.version, root]]) : (folders.get(name) ?? new Map<string, string>())
    const versions = await Promise.all(
      Array.from(found, async ([version, folder]) => {
        const dist = { tarball: `${base}/tarball/${encodeURIComponent(name)}/${version}` }
        return [version, { ...(await readManifest(folder)), dist }] as const
      })
    )
    return { name, "dist-tags": { latest: versions.at(-1)?.[0] }, versions: Object.fromEntries(versions) }
  }
  const tarball = async (name: string, version: string) => {
    if (name === "task-exec") return await readFile(join(files, `task-exec-${version}.tgz`))
    const folder = folders.get(name)?.get(version) ?? ""
    // Effect without its thousands of files: the commands do not need them, and Npm.test.ts tests the library.
    const content = name === "effect" ? "./package.json" : "."
    const args = ["-c", "--exclude=node_modules", "--transform=s,^\\.,package,", "-C", folder, content]
    return (await run("tar", args, { encoding: "buffer", maxBuffer: 2 ** 28 })).stdout
  }
  const answer = async (url: string, base: string): Promise<Buffer | string | undefined> => {
    const [kind = "", name = "", version = ""] = url.slice(1).split("/").map(decodeURIComponent)
    if (kind === "files") return await readFile(join(files, name))
    if (kind === "tarball") return await tarball(name, version)
    return kind === "task-exec" || folders.has(kind) ? JSON.stringify(await packument(kind, base)) : undefined
  }
  const server = createServer((req, res) => {
    const base = `http://${req.headers.host}`
    answer(req.url ?? "", base).then(
      (content) => res.writeHead(content === undefined ? 404 : 200).end(content),
      (error) => res.writeHead(404).end(String(error))
    )
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.promise(() => new Promise((resolve) => server.close(resolve).closeAllConnections()))
  )
  return `http://127.0.0.1:${addressOf(server.address()).port}`
})

const isAddress = (address: AddressInfo | string | null): address is AddressInfo =>
  typeof address === "object" && address !== null
const addressOf = (address: AddressInfo | string | null): AddressInfo => {
  if (!isAddress(address)) throw new Error("the server has no address")
  return address
}
