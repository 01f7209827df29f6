/** An npm registry with this package, as `npm pack` creates it, and with the packages of its lock file. Needs no network. */
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer, type ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run } from "../cluster/Command.ts"

const root = join(import.meta.dirname, "..", "..")

/** The part of a lock file that the registry needs: the packages by their folders. */
const Lock = Schema.fromJsonString(
  Schema.Struct({
    packages: Schema.Record(Schema.String, Schema.Struct({ version: Schema.String }))
  })
)

interface Package {
  readonly name: string
  readonly version: string
  readonly folder: string
}

/** The packages of the lock file that this package needs: its dependencies, its peers, and theirs. */
const installed = (): ReadonlyArray<Package> => {
  const { packages } = Schema.decodeUnknownSync(Lock)(readFileSync(join(root, "package-lock.json"), "utf8"))
  return Object.entries(packages).flatMap(([folder, { version }]) =>
    folder === "" ? [] : [{ name: folder.replace(/^.*node_modules\//, ""), version, folder }]
  )
}

/** Runs the registry on a port of 127.0.0.1 until the scope closes. Returns its URL. */
export const npmRegistry = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-registry-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true }))
  )
  const packed = yield* run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], {
    cwd: root
  })
  const own = join(folder, packed.trim())
  const packages = installed()

  /** The tarball of a package: ours, or one of node_modules. */
  const tarballOf = Effect.fnUntraced(function* (name: string, version: string) {
    if (name === "task-exec") return own
    const found = packages.find((one) => one.name === name && one.version === version)
    if (found === undefined) return undefined
    const file = join(folder, `${name.replace("/", "+")}-${version}.tgz`)
    const content = [
      "--exclude=./node_modules",
      "--transform=s,^\\./,package/,",
      "--directory",
      join(root, found.folder)
    ]
    yield* run("tar", ["--create", "--use-compress-program=gzip -1", "--file", file, ...content, "."])
    return file
  })

  /** The document about a package that npm requests. */
  const documentOf = async (name: string, url: string) => {
    const all = name === "task-exec" ? [{ folder: "" }] : packages.filter((one) => one.name === name)
    const manifests = await Promise.all(
      all.map(async (one) => JSON.parse(await readFile(join(root, one.folder, "package.json"), "utf8")))
    )
    if (manifests.length === 0) return undefined
    const versions = manifests.map((manifest) => [
      manifest.version,
      { ...manifest, dist: { tarball: `${url}/tarballs/${encodeURIComponent(name)}/${manifest.version}` } }
    ])
    return { name, "dist-tags": { latest: manifests[0].version }, versions: Object.fromEntries(versions) }
  }

  const answer = async (path: string, url: string, response: ServerResponse): Promise<unknown> => {
    const [, first = "", name = "", version = ""] = path.split("/").map(decodeURIComponent)
    if (first !== "tarballs") {
      const document = await documentOf(first, url)
      return document === undefined
        ? response.writeHead(404).end("{}")
        : response.setHeader("content-type", "application/json").end(JSON.stringify(document))
    }
    const file = await Effect.runPromise(tarballOf(name, version))
    return file === undefined ? response.writeHead(404).end() : response.end(await readFile(file))
  }

  const server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = createServer((request, response) => {
        answer(request.url ?? "", `http://${request.headers.host}`, response).catch((error: unknown) =>
          response.writeHead(500).end(String(error))
        )
      })
      made.listen(0, "127.0.0.1")
      await once(made, "listening")
      return made
    }),
    (made) =>
      Effect.promise(async () => {
        made.close()
        made.closeAllConnections()
        await once(made, "close")
      })
  )
  const address = server.address()
  return yield* typeof address === "object" && address !== null
    ? Effect.succeed(`http://127.0.0.1:${address.port}/`)
    : Effect.die(new Error("the registry has no port"))
})
