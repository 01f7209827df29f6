import { existsSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { version } from "../../src/Version.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { consumer, newerEffect } from "./Consumer.ts"
import { checkLeftoversMeanwhile, shell, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

class Installed extends Context.Service<Installed, { readonly dir: string }>()("task-exec/test/Installed") {
  static readonly layer = Layer.effect(
    Installed,
    Effect.map(consumer, (dir) => Installed.of({ dir }))
  ).pipe(Layer.provideMerge(Web.layer("npm")))
}

/** Runs a script in the project's folder. */
const inProject = Effect.fnUntraced(function* (script: string) {
  const { dir } = yield* Installed
  const { manager } = yield* SwarmCluster
  const env = {
    DOCKER_HOST: manager.dockerHost,
    FOLDER: dir,
    TSC: join(import.meta.dirname, "../../node_modules/.bin/tsc")
  }
  return yield* shell(`cd "$FOLDER" && unset -f task-exec swarm-exec && ${script}`, { env })
})

const SourceMap = Schema.fromJsonString(Schema.Struct({ sources: Schema.Array(Schema.String) }))

layer(Installed.layer, { excludeTestServices: true, timeout: "180 seconds" })("the npm package, installed", (it) => {
  it.effect("has its license, no tests, and source maps that point to existing files", () =>
    Effect.gen(function* () {
      const dir = join((yield* Installed).dir, "node_modules/task-exec")
      const files = yield* Effect.promise(() => readdir(dir, { recursive: true, withFileTypes: true }))
      const paths = files.filter((file) => file.isFile()).map((file) => relative(dir, join(file.parentPath, file.name)))
      const known =
        /^(dist\/(task-exec|swarm-exec|agent-entry|image-serve|image-start)\.cjs|(dist\/lib|src)\/.*|docs\/(api\/)?[\w-]+\.md|docs\/img\/[\w-]+\.svg|man\/[\w-]+\.1|[A-Z]\w+(\.md)?|package\.json)$/
      assert.deepStrictEqual(
        paths.filter((path) => !known.test(path) || /\.test\.|^test\//.test(path)),
        []
      )
      assert.includeMembers(paths, [
        "LICENSE",
        "README.md",
        "AGENTS.md",
        "CHANGELOG.md",
        "dist/lib/filesystem.d.ts",
        "dist/lib/index.d.ts",
        "dist/lib/process.d.ts",
        "dist/lib/promise.d.ts"
      ])
      const maps = paths.filter((path) => path.endsWith(".map"))
      assert.isAbove(maps.length, 50)
      for (const map of maps) {
        const text = yield* Effect.promise(() => readFile(join(dir, map), "utf8"))
        for (const source of (yield* Schema.decodeEffect(SourceMap)(text)).sources) {
          assert.isTrue(existsSync(join(dir, dirname(map), source)), `${map}: ${source}`)
        }
      }
    })
  )

  it.effect("adds no second Effect to a project with a newer one", () =>
    Effect.gen(function* () {
      const { dir } = yield* Installed
      const paths = yield* Effect.promise(() => readdir(join(dir, "node_modules"), { recursive: true }))
      const copies = paths.filter((path) => /(?:^|\/)effect\/package\.json$/.test(path))
      assert.deepStrictEqual(copies, ["effect/package.json"])
      const manifest = yield* Effect.promise(() => readFile(join(dir, "node_modules/effect/package.json"), "utf8"))
      assert.include(manifest, `"version": "${newerEffect}"`)
    })
  )

  it.effect("its programs are bundles without dependencies", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const script = `
        mkdir alone && cp node_modules/task-exec/dist/*.cjs alone
        cd alone && mv ../node_modules ../away && trap 'mv ../away ../node_modules' EXIT
        ./task-exec.cjs ${web.target(web.remote)} hostname && ./swarm-exec.cjs --version`
      const { code, stderr, stdout } = yield* inProject(script)
      const hostname = web.remote.containerId.slice(0, 12)
      assert.deepStrictEqual([code, stdout.toString(), stderr], [0, `${hostname}\nswarm-exec ${version}\n`, ""])
    })
  )

  it.effect("has types that a strict compiler accepts", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* inProject('"$TSC" -p .')
      assert.deepStrictEqual([stdout.toString(), code], ["", 0])
    })
  )

  it.effect("runs commands with its programs, as an Effect library, and with promises", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const target = web.target(web.local)
      const outcome = ({ code, stderr, stdout }: Effect.Success<ReturnType<typeof inProject>>) => [
        code,
        stdout.toString(),
        stderr
      ]
      const program = yield* inProject(`npx --no-install task-exec ${target} sh -c 'echo out; exit 3'`)
      assert.deepStrictEqual(outcome(program), [3, "out\n", ""])
      const other = yield* inProject("node_modules/.bin/swarm-exec task-exec --version")
      assert.deepStrictEqual(outcome(other), [0, `swarm-exec task-exec ${version}\n`, ""])
      const library = yield* inProject(`"$NODE" deploy-migrate.ts ${target} sh -c 'echo out; exit 3'`)
      const node = web.nodeOf(web.local).name
      assert.deepStrictEqual(outcome(library), [3, `${target} on ${node} ended with exit code 3\nout\n`, ""])
      const stages = yield* inProject(`"$NODE" stages.ts ${target} sh -c 'echo out; exit 3'`)
      assert.deepStrictEqual(
        [stages.code, stages.stdout.toString(), stages.stderr.trimEnd().split("\n").at(-1)],
        [3, "out\n", "the command ended with exit code 3"]
      )
      assert.strictEqual((yield* inProject(`"$NODE" stages.ts ${target} foobarnone`)).code, 126)
      assert.deepStrictEqual(outcome(yield* inProject(`"$NODE" promise.ts ${target}`)), [0, "3 out\n\n", ""])
    })
  )
})
