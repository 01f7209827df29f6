/**
 * Other engine versions than this machine's own, from Debian's releases, unpacked into a cache folder and never installed.
 *
 * They come from the mirror of this machine's own Debian packages, with a separate apt state.
 */

import { existsSync } from "node:fs"
import { mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { type CommandFailed, run, systemPath } from "./Command.ts"

/** The engine is unavailable. */
export class EngineUnavailable extends Schema.TaggedError<EngineUnavailable>()("EngineUnavailable", {
  version: Schema.String,
  why: Schema.String
}) {
  override get message(): string {
    return `no engine ${this.version}: ${this.why}`
  }
}

interface Engine {
  readonly version: string
  /** The Debian release with this engine. */
  readonly release: string
  /** More arguments for every dockerd. */
  readonly dockerdArgs?: ReadonlyArray<string>
}

/** The containerd image store, the default of engine 29: image IDs are digests of manifests. */
const containerdStore = ["--feature=containerd-snapshotter", "--storage-driver=overlayfs"]

const engines: Readonly<Record<string, Engine>> = {
  "20.10": { version: "20.10", release: "bookworm" },
  "26.1": { version: "26.1", release: "trixie" },
  "28.5": { version: "28.5", release: "sid" },
  "28.5+containerd": { version: "28.5", release: "sid", dockerdArgs: containerdStore }
}

/** The available engine versions. */
export const engineVersions = Object.keys(engines)

const cacheDir = "/var/cache/task-exec-swarm"
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

/** The Debian mirror of this machine. */
const archive = Effect.fnUntraced(function* (version: string) {
  const format = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
  const targets = yield* run("apt-get", ["indextargets", "--format", format, "Identifier: Packages"])
  const line = targets.split("\n").find((one) => one.startsWith("Debian|Debian|main|"))
  if (line === undefined)
    return yield* new EngineUnavailable({ version, why: "apt has no list of a Debian archive: run `apt-get update`" })
  return line.split("|")[3] ?? ""
})

/** Downloads the packages of a release into a folder. */
const download = Effect.fnUntraced(function* (dir: string, uri: string, release: string) {
  const sources = join(dir, "sources.list")
  const folders = ["state/lists/partial", "cache/archives/partial"]
  yield* Effect.promise(async () => {
    for (const folder of folders) await mkdir(join(dir, folder), { recursive: true })
    await writeFile(sources, `deb [signed-by=${keyring}] ${uri} ${release} main\n`)
  })
  const settings = {
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State": join(dir, "state"),
    "Dir::Cache": join(dir, "cache"),
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none"
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])
  const apt = (...args: ReadonlyArray<string>) => run("apt-get", [...options, ...args], { cwd: dir, timeout: 600_000 })
  yield* apt("update")
  yield* apt("download", "docker.io", "containerd")
})

/** Unpacks the packages, and links all programs into one folder. */
const unpack = Effect.fnUntraced(function* (dir: string, target: string) {
  const packages = (yield* Effect.promise(() => readdir(dir))).filter((name) => name.endsWith(".deb"))
  for (const name of packages) {
    yield* run("dpkg-deb", ["--extract", join(dir, name), join(dir, "root")])
    yield* Effect.promise(() => rm(join(dir, name)))
  }
  yield* Effect.promise(async () => {
    await mkdir(join(dir, "bin"))
    for (const folder of ["root/usr/bin", "root/usr/sbin"].filter((name) => existsSync(join(dir, name))))
      for (const name of await readdir(join(dir, folder)))
        await symlink(join(target, folder, name), join(dir, "bin", name))
  })
})

const versionOf = (path: string): Effect.Effect<string, CommandFailed> =>
  Effect.map(
    run("dockerd", ["--version"], { env: { PATH: `${path}:${systemPath}` } }),
    (text) => /version ([^\s,]+)/.exec(text)?.[1] ?? text.trim()
  )

const fetchEngine = Effect.fnUntraced(function* (version: string, release: string, target: string) {
  const draft = `${target}.${process.pid}`
  yield* Console.error(`fetching engine ${version} of Debian ${release} into ${target}`)
  yield* Effect.acquireRelease(
    Effect.promise(() => mkdir(draft, { recursive: true })),
    () => Effect.promise(() => rm(draft, { recursive: true, force: true }))
  )
  yield* download(draft, yield* archive(version), release)
  yield* unpack(draft, target)
  yield* Effect.promise(async () => {
    for (const name of ["state", "cache"]) await rm(join(draft, name), { recursive: true })
    await rm(target, { recursive: true, force: true })
    await rename(draft, target)
  })
}, Effect.scoped)

/** Swarms that start at the same time use the same engine. */
const oneAtATime = Semaphore.makeUnsafe(1)

/** The folder of an engine's programs. Downloads them if they are not in the cache. */
const fetched = Effect.fnUntraced(function* (version: string, release: string) {
  const target = join(cacheDir, release)
  const path = join(target, "bin")
  if (!existsSync(path)) yield* fetchEngine(version, release, target)
  const found = yield* versionOf(path)
  if (isOf(version, found)) return path
  return yield* new EngineUnavailable({ version, why: `Debian ${release} has ${found} now (in ${target})` })
}, oneAtATime.withPermit)

const isOf = (version: string, found: string): boolean => found.startsWith(`${version}.`)

/** The options by which the nodes of a cluster run an engine. */
export interface EngineOptions {
  /** Folder of its programs. `undefined` for the machine's own engine. */
  readonly enginePath?: string
  readonly dockerdArgs: ReadonlyArray<string>
}

/** The options by which the nodes of a cluster run this one of {@link engineVersions}. */
export const engineOptions = Effect.fn("NewerEngine.options")(function* (
  name: string
): Effect.fn.Return<EngineOptions, EngineUnavailable> {
  const engine = engines[name]
  if (engine === undefined)
    return yield* new EngineUnavailable({ version: name, why: `there are ${engineVersions.join(", ")}` })
  const { dockerdArgs = [], release, version } = engine
  const own = yield* Effect.option(versionOf(systemPath))
  if (Option.isSome(own) && isOf(version, own.value)) return { dockerdArgs }
  const enginePath = yield* fetched(version, release).pipe(
    Effect.catchTag("CommandFailed", (error) => new EngineUnavailable({ version: name, why: error.message }))
  )
  return { enginePath, dockerdArgs }
})

/** Environment variable with the default engine of clusters, for running tests on another version. */
export const engineVariable = "TASK_EXEC_TEST_ENGINE"

/** The engine options of that variable. */
export const engineOfEnvironment = Effect.flatMap(
  Effect.orDie(Config.String(engineVariable).pipe(Config.withDefault(""))),
  (name): Effect.Effect<EngineOptions, EngineUnavailable> =>
    name === "" ? Effect.succeed({ dockerdArgs: [] }) : engineOptions(name)
)
