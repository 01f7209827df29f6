/**
 * `npm run compat [-- TASK…]`: installs the package in new projects, with the oldest and the newest Effect that it allows and npm has, and
 * runs a program there: in Node, Bun and Deno. With tasks of the swarm in `DOCKER_HOST`, runs commands in them, too.
 */
import { execFile } from "node:child_process"
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { runMain } from "../../adapters/RunMain.ts"

const root = join(import.meta.dirname, "../..")

/** The versions that were tried. */
const runtimes = { bun: "1.4.5", deno: "2.9.6" }

/** A command of a project failed. */
class Incompatible extends Schema.TaggedError<Incompatible>()("Incompatible", {
  what: Schema.String,
  output: Schema.String
}) {
  override get message(): string {
    return `${this.what} failed:\n${this.output}`
  }
}

const execute = promisify(execFile)
const outputOf = (error: unknown): string =>
  Schema.is(Schema.Struct({ stdout: Schema.String, stderr: Schema.String }))(error)
    ? `${error.stdout}${error.stderr}`
    : String(error)

const exec = (what: string, cwd: string, [file, ...args]: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.tryPromise({
    try: () => execute(file, args, { cwd, maxBuffer: 64 * 1024 * 1024 }),
    catch: (error) => new Incompatible({ what, output: outputOf(error) })
  }).pipe(Effect.map(({ stdout }) => stdout))

const Manifest = Schema.fromJsonString(
  Schema.Struct({ version: Schema.String, peerDependencies: Schema.Struct({ effect: Schema.String }) })
)
/** npm prints a single version as a text, and several as a list. */
const Versions = Schema.fromJsonString(Schema.Union([Schema.String, Schema.NonEmptyArray(Schema.String)]))

const compilerOptions = {
  target: "es2024",
  // Effect's own types know the DOM's JsonWebKey.
  lib: ["es2024", "dom"],
  module: "nodenext",
  types: ["node"],
  typeRoots: [join(root, "node_modules/@types")],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true
}

/** Installs the package in a new project. Returns its folder. */
const install = Effect.fnUntraced(function* (dir: string, tarball: string, effect: string) {
  const folder = join(dir, effect)
  const dependencies = { effect, "task-exec": `file:${tarball}`, ...runtimes }
  yield* Effect.promise(async () => {
    await mkdir(folder)
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module", private: true, dependencies }))
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["program.ts"] }))
    await copyFile(join(import.meta.dirname, "program.ts"), join(folder, "program.ts"))
  })
  yield* exec("npm install", folder, ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"])
  // They put the binary of this platform in its place.
  for (const script of ["bun/install.js", "deno/install.cjs"]) {
    yield* exec(script, folder, [process.execPath, join("node_modules", script)])
  }
  return folder
})

const main = Effect.gen(function* () {
  const targets = process.argv.slice(2)
  const dir = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-compat-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const text = yield* Effect.promise(() => readFile(join(root, "package.json"), "utf8"))
  const { peerDependencies, version } = yield* Schema.decodeEffect(Manifest)(text)
  const range = `effect@${peerDependencies.effect}`
  yield* exec("npm pack", root, ["npm", "pack", "--ignore-scripts", "--pack-destination", dir])
  const listed = yield* Schema.decodeEffect(Versions)(
    yield* exec("npm view", dir, ["npm", "view", range, "version", "--json"])
  )
  const [oldest, ...others] = typeof listed === "string" ? [listed] : listed
  for (const effect of new Set([oldest, others.at(-1) ?? oldest])) {
    const folder = yield* install(dir, join(dir, `task-exec-${version}.tgz`), effect)
    yield* exec("tsc", folder, [join(root, "node_modules/.bin/tsc"), "-p", "."])
    const bin = join(folder, "node_modules/.bin")
    for (const [name, ...command] of [
      [`Node ${process.versions.node}`, process.execPath],
      [`Bun ${runtimes.bun}`, join(bin, "bun")],
      [`Deno ${runtimes.deno}`, join(bin, "deno"), "run", "--allow-all"]
    ] as const) {
      const [file, ...args] = command
      yield* exec(`effect ${effect} in ${name}`, folder, [file, ...args, "program.ts", ...targets])
      yield* Console.log(`effect ${effect} in ${name}: ok`)
    }
  }
}).pipe(
  Effect.scoped,
  Effect.as(0),
  Effect.catch(({ message }) => Effect.as(Console.error(message), 1))
)

runMain(main)
