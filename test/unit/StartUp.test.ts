/** The modules that the programs load to start, and the programs' sizes. The limits are in `test/Limits.ts`. */
import { execFile } from "node:child_process"
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { geteuid } from "node:process"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { type Plugin, rolldown } from "rolldown"
import { v8Options } from "../../adapters/bundle/NodeOptions.ts"
import { bundled, programs, written } from "../../rolldown.config.ts"
import { helperLoads, type Loading, pluginVersionLoads, programSizes, versionLoads } from "../Limits.ts"

type Program = keyof typeof programs

const root = join(import.meta.dirname, "..", "..")

/** Makes each of our modules report its evaluation. */
const reportEvaluations: Plugin = {
  name: "report-evaluations",
  transform: {
    filter: { id: new RegExp(`^${root}/(?:src|adapters)/`) },
    handler: (code, id) => `${code}\nglobalThis.evaluated?.push(${JSON.stringify(relative(root, id))})`
  }
}

/** Runs before a program, and prints the loaded modules as the last line of stderr. */
const observer = `
const { writeSync } = require("node:fs")
const before = new Set(process.moduleLoadList)
globalThis.evaluated = []
process.on("exit", () => {
  const node = process.moduleLoadList.filter((name) => !before.has(name) && /^NativeModule (?!internal\\/|_)/.test(name))
  writeSync(2, "\\n" + JSON.stringify({ node: node.map((name) => name.slice(13)), own: evaluated }))
})`

const Loaded = Schema.fromJsonString(
  Schema.Struct({ node: Schema.Array(Schema.String), own: Schema.Array(Schema.String) })
)

/** The part of a program that a module belongs to. */
const partOf = (file: string): string => {
  const name = relative(root, file)
  const [, from] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name) ?? []
  // All other packages are dependencies of dockerode.
  return from === undefined
    ? (/^(?:src|adapters)/.exec(name)?.[0] ?? "bundler")
    : from === "effect"
      ? from
      : "dockerode"
}

const sizesOf = async (program: Program): Promise<ReadonlyMap<string, number>> => {
  await using bundle = await rolldown({ ...bundled(programs[program]), cwd: root })
  const [chunk, ...others] = (await bundle.generate(written(program))).output
  assert.deepStrictEqual(others, [])
  const sizes = new Map([[`${program}.cjs`, Buffer.byteLength(chunk.code)]])
  for (const [file, { renderedLength }] of Object.entries(chunk.modules)) {
    const part = `${program}.cjs: ${partOf(file)}`
    sizes.set(part, (sizes.get(part) ?? 0) + renderedLength)
  }
  return sizes
}

describe("the programs' sizes", () => {
  for (const program of ["task-exec", "swarm-exec", "image-serve"] as const) {
    it(`${program} is within its limits`, async () => {
      const sizes = await sizesOf(program)
      const limits = programSizes.filter(({ of }) => of.startsWith(`${program}.cjs`))
      const found = limits.map(({ of }) => [of, sizes.get(of)])
      const over = limits.flatMap(({ atMost, of, why }) => {
        const size = sizes.get(of) ?? Number.NaN
        return size <= atMost ? [] : [`${of} has ${size} bytes, and ${atMost} is the limit: ${why}`]
      })
      assert.deepStrictEqual(over, [], `If that is meant, change test/Limits.ts. All: ${JSON.stringify(found)}`)
    })
  }
})

describe("the modules that are loaded", () => {
  let folder = ""

  const sizes = new Map<string, number>()

  const build = async (program: Program) => {
    const input = bundled(programs[program])
    await using bundle = await rolldown({ ...input, cwd: root, plugins: [reportEvaluations, ...input.plugins] })
    const output = { ...written(program), minify: false, file: join(folder, `${program}.cjs`) }
    const [chunk] = (await bundle.write(output)).output
    for (const [file, { renderedLength }] of Object.entries(chunk.modules)) {
      sizes.set(`${program}: ${relative(root, file)}`, renderedLength)
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "task-exec-start-up-"))
    await writeFile(join(folder, "observer.cjs"), observer)
    await Promise.all([build("task-exec"), build("swarm-exec"), build("image-serve")])
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** `engine`: the variables that select the engine. A helper has none and uses the default socket. */
  const loads = async (
    program: Program,
    args: ReadonlyArray<string>,
    expected: Loading,
    engine: Readonly<Record<string, string>> = { DOCKER_HOST: `unix://${folder}/docker.sock` }
  ) => {
    const argv = [
      ...v8Options,
      "--require",
      join(folder, "observer.cjs"),
      "--",
      join(folder, `${program}.cjs`),
      ...args
    ]
    const env = { PATH: process.env.PATH, HOME: folder, ...engine }
    const { stderr } = await promisify(execFile)(process.execPath, argv, { env })
    const { node, own } = Schema.decodeSync(Loaded)(stderr.slice(stderr.lastIndexOf("\n") + 1))
    const folders = new Set(own.map((name) => name.slice(0, name.lastIndexOf("/"))))
    const bytes = own.reduce((sum, name) => sum + (sizes.get(`${program}: ${name}`) ?? Number.NaN), 0)
    const hint = `If that is meant, change test/Limits.ts. Modules of ours, ${bytes} bytes: ${own.toSorted().join(" ")}`
    const { ownBytes, ...lists } = expected
    const found = { node: node.toSorted(), own: [...folders].toSorted() }
    assert.deepStrictEqual(found, { node: lists.node.toSorted(), own: lists.own.toSorted() }, hint)
    assert.isAtMost(bytes, ownBytes, hint)
  }

  it("by task-exec --version are those of the list", () => loads("task-exec", ["--version"], versionLoads))

  it("by swarm-exec --version are those of the list", () => loads("swarm-exec", ["--version"], pluginVersionLoads))

  it("by a helper until its Hello are those of the list", () => loads("image-serve", ["helper"], helperLoads, {}))
})

describe("a program with a compile cache", () => {
  let home = ""

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "task-exec-home-"))
    await using bundle = await rolldown({ ...bundled(programs["task-exec"]), cwd: root })
    await bundle.write({ ...written("task-exec"), file: join(home, "task-exec") })
    await chmod(join(home, "task-exec"), 0o755)
  })
  afterAll(() => rm(home, { recursive: true }))

  const start = async (folders: { readonly HOME: string; readonly XDG_CACHE_HOME?: string }) => {
    const env = {
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      NODE_DEBUG_NATIVE: "COMPILE_CACHE",
      ...folders
    }
    return (await promisify(execFile)(join(home, "task-exec"), ["--version"], { env })).stderr
  }

  it("is compiled once", async () => {
    await start({ HOME: home })
    assert.match(await start({ HOME: home }), /task-exec.* was accepted/)
    assert.deepStrictEqual(await readdir(join(home, ".cache")), ["task-exec"])
  })

  it.runIf(geteuid?.() === 0)("uses no cache in a folder of another user", async () => {
    const theirs = join(home, "theirs")
    await mkdir(theirs)
    await chown(theirs, 1, 1)
    assert.strictEqual(await start({ HOME: theirs }), "")
    assert.strictEqual(await start({ HOME: home, XDG_CACHE_HOME: theirs }), "")
    assert.deepStrictEqual(await readdir(theirs), [])
  })
})
