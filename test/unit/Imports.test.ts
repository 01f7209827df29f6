import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")

/** The rules of `imports.grit`, in order: the files of a rule, and the imports that it allows. */
const rules = (() => {
  const text = readFileSync(join(root, "imports.grit"), "utf8")
  const list = text.slice(text.indexOf("// The library."))
  return [...list.matchAll(/\$filename <: r"([^"]+)"(?:,\s*not \$source <: r"([^"]+)")?/g)].map(
    ([, files, imports]) => ({
      files: new RegExp(`^${files}$`),
      imports: imports === undefined ? undefined : new RegExp(`^${imports}$`)
    })
  )
})()

/** A file of each folder of `src` and `adapters`, and each file of `src` itself. */
const samples = ["src", "adapters"].flatMap((top) =>
  readdirSync(join(root, top), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.name.endsWith(".ts"))
    .map((entry) => (entry.isDirectory() ? `${top}/${entry.name}/Some.ts` : `${top}/${entry.name}`))
)

const ruleOf = (file: string): number => rules.findIndex(({ files }) => files.test(`/project/${file}`))

/** The ways in which a file names another one of `src` or `adapters`. */
const namesOf = (file: string): ReadonlyArray<string> => {
  const below = file.slice(file.indexOf("/") + 1)
  return [`"./${below}"`, `"../${below}"`, `"../../${below}"`]
}

describe("the rules for imports", () => {
  it("cover every folder of src and adapters", () => {
    assert.deepStrictEqual(
      samples.filter((file) => ruleOf(file) < 0),
      []
    )
    assert.isAbove(samples.length, 40)
  })

  it("allow only folders that are listed before", () => {
    const upward = rules.flatMap(({ files, imports }, at) =>
      samples
        .filter((file) => ruleOf(file) > at && file.split("/")[0] === /src|adapters/.exec(files.source)?.[0])
        .filter((file) => namesOf(file).some((name) => imports?.test(name) === true))
        .map((file) => `${files.source} imports ${file}`)
    )
    assert.deepStrictEqual(upward, [])
  })
})

/** The modules of Effect that a file imports, as paths in Effect's sources. */
const effectModulesOf = (file: string): ReadonlyArray<string> =>
  [...readFileSync(join(root, "src", file), "utf8").matchAll(/from "effect\/([\w/]+)"/g)].map(([, name = ""]) => name)

/** Whether the comment at the head of a module says that its API may change in any release. */
const isUnstable = (name: string): boolean => {
  const text = readFileSync(join(root, "node_modules/effect/src", `${name}.ts`), "utf8")
  return text.slice(0, text.indexOf("*/")).includes("@stability unstable")
}

describe("the library", () => {
  it("imports only stable modules of Effect, except in the entries that adapt an unstable one", () => {
    const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".ts")
    )
    const ofTheirOwn = /^(?:filesystem|process)(?:\.ts|\/)/
    const unstable = files.flatMap((file) =>
      effectModulesOf(file)
        .filter(isUnstable)
        .map((name) => ({ file, name }))
    )
    assert.deepStrictEqual(
      unstable.filter(({ file }) => !ofTheirOwn.test(file)),
      []
    )
    assert.includeMembers(
      unstable.map(({ name }) => name),
      ["FileSystem", "process/ChildProcess", "process/ChildProcessSpawner"]
    )
  })
})
