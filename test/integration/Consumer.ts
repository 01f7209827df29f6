/** A project that has installed the npm package, as `npm pack` creates it. */
import { execFile } from "node:child_process"
import { copyFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const root = join(import.meta.dirname, "../..")
const npm = promisify(execFile)

const Manifest = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.String,
    bin: Schema.Unknown,
    dependencies: Schema.Unknown,
    peerDependencies: Schema.Unknown
  })
)
const Names = Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
const Locked = Schema.StructWithRest(
  Schema.Struct({ dependencies: Names, optionalDependencies: Names, peerDependencies: Names }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)
export const Lock = Schema.fromJsonString(Schema.Struct({ packages: Schema.Record(Schema.String, Locked) }))
type Packages = (typeof Lock.Type)["packages"]

/** Returns the paths in `node_modules` of these packages, and of what they depend on. */
export const closure = (packages: Packages, names: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (name: string, from: string): void => {
    const folders = [...from.matchAll(/\/?node_modules\//g)].map(({ index }) => from.slice(0, index))
    const path = [from, ...folders.toReversed()]
      .map((folder) => `${folder === "" ? "" : `${folder}/`}node_modules/${name}`)
      .find((one) => packages[one] !== undefined)
    if (path === undefined || found.has(path)) return
    found.add(path)
    const { dependencies, optionalDependencies, peerDependencies } = packages[path] ?? {}
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      visit(other, path)
    }
  }
  for (const name of names) visit(name, "")
  return found
}

/** The version of the consumer's own Effect: newer than this checkout's. */
export const newerEffect = "4.99.0"

/** The Effect of this checkout with a newer version number, as a tarball for npm. */
const packNewerEffect = async (dir: string): Promise<string> => {
  const folder = join(dir, "newer", "package")
  await cp(join(root, "node_modules/effect"), folder, { recursive: true })
  const manifest = join(folder, "package.json")
  const text = await readFile(manifest, "utf8")
  await writeFile(manifest, text.replace(/"version": "[^"]+"/, `"version": "${newerEffect}"`))
  const name = `effect-${newerEffect}.tgz`
  await npm("tar", ["-cf", join(dir, name), "-C", join(dir, "newer"), "package"])
  await rm(join(dir, "newer"), { recursive: true })
  return `file:${name}`
}
const read = async (file: string) => await readFile(join(root, file), "utf8")

/**
 * Returns the folder of the project, which is removed with the scope. It has its own Effect, newer than ours. Its other dependencies have
 * the versions of this checkout, so npm takes them from its cache and needs no network.
 */
export const consumer = Effect.gen(function* () {
  const dir = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-consumer-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const own = yield* Schema.decodeEffect(Manifest)(yield* Effect.promise(() => read("package.json")))
  const lock = yield* Schema.decodeEffect(Lock)(yield* Effect.promise(() => read("package-lock.json")))
  const platform = "@effect/platform-node"
  const needed = closure(lock.packages, ["dockerode", platform])
  const others = Object.entries(lock.packages).flatMap(([path, { dev: _, ...one }]) =>
    needed.has(path) ? [[path, one] as const] : []
  )
  const resolved = `file:task-exec-${own.version}.tgz`
  const effect = yield* Effect.promise(() => packNewerEffect(dir))
  const { version: platformVersion } = lock.packages[`node_modules/${platform}`] ?? {}
  const dependencies = { effect, [platform]: platformVersion, "task-exec": resolved }
  const wanted = { name: "consumer", type: "module", private: true, dependencies }
  const { integrity: _, ...lockedEffect } = lock.packages["node_modules/effect"] ?? {}
  const packages = {
    "": wanted,
    ...Object.fromEntries(others),
    "node_modules/effect": { ...lockedEffect, dev: undefined, version: newerEffect, resolved: effect },
    "node_modules/task-exec": { ...own, resolved }
  }
  yield* Effect.promise(async () => {
    await writeFile(join(dir, "package.json"), JSON.stringify(wanted))
    await writeFile(join(dir, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, requires: true, packages }))
    // The package has what `npm test` has built.
    await npm("npm", ["pack", "--ignore-scripts", "--pack-destination", dir], { cwd: root })
    await npm("npm", ["ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: dir })
    const examples = (await readdir(join(root, "example"))).filter((name) => /\.ts$/.test(name))
    for (const name of examples.filter((name) => !checkoutOnly.has(name)))
      await copyFile(join(root, "example", name), join(dir, name))
    await writeFile(join(dir, "promise.ts"), promiseProgram)
    await writeFile(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
  })
  return dir
})

/** Examples that need more than the package and Effect's platform for Node. */
const checkoutOnly = new Set(["demo.ts", "deploy.test.ts"])

const promiseProgram = `
import { connect } from "task-exec/promise"

const [target = ""] = process.argv.slice(2)
const swarm = await connect()
const { exitCode, stdout } = await swarm.run({ target, command: ["sh", "-c", "echo out; exit 3"] })
const bytes: Uint8Array = stdout
const code: number | undefined = exitCode
console.log(code, new TextDecoder().decode(bytes))
await swarm.close()
`

const compilerOptions = {
  target: "es2024",
  // Effect's own types use the DOM's JsonWebKey.
  lib: ["es2024", "dom"],
  module: "nodenext",
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true
}
