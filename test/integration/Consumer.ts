/** A project that has installed the npm package, as `npm pack` makes it. */
import { execFile } from "node:child_process"
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const root = join(import.meta.dirname, "../..")
const npm = promisify(execFile)

const Manifest = Schema.fromJsonString(
  Schema.Struct({ version: Schema.String, bin: Schema.Unknown, dependencies: Schema.Unknown })
)
const Lock = Schema.fromJsonString(
  Schema.Struct({ packages: Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Unknown)) })
)
const read = async (file: string) => await readFile(join(root, file), "utf8")

/**
 * Gives its folder, which goes away with the scope. The versions of what the package depends on are those of this checkout, so
 * that npm has them from when they were installed here, and need not ask for them.
 */
export const consumer = Effect.gen(function* () {
  const dir = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-consumer-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const own = yield* Schema.decodeEffect(Manifest)(yield* Effect.promise(() => read("package.json")))
  const lock = yield* Schema.decodeEffect(Lock)(yield* Effect.promise(() => read("package-lock.json")))
  const others = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && dev !== true)
  const resolved = `file:task-exec-${own.version}.tgz`
  const wanted = { name: "consumer", type: "module", private: true, dependencies: { "task-exec": resolved } }
  const packages = { "": wanted, "node_modules/task-exec": { ...own, resolved }, ...Object.fromEntries(others) }
  yield* Effect.promise(async () => {
    await writeFile(join(dir, "package.json"), JSON.stringify(wanted))
    await writeFile(join(dir, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, requires: true, packages }))
    // What `npm test` has built is what is packed.
    await npm("npm", ["pack", "--ignore-scripts", "--pack-destination", dir], { cwd: root })
    await npm("npm", ["ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: dir })
    for (const name of ["deploy-migrate.ts", "stages.ts", "watch.ts"])
      await copyFile(join(root, "example", name), join(dir, name))
    await writeFile(join(dir, "promise.ts"), promiseProgram)
    await writeFile(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
  })
  return dir
})

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
  // Effect's own types know the DOM's JsonWebKey.
  lib: ["es2024", "dom"],
  module: "nodenext",
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true
}
