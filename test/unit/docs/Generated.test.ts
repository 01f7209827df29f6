import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { execFlags } from "../../../adapters/cli/ExecFlags.ts"
import { verbNames } from "../../../adapters/cli/VerbNames.ts"
import type { Flags } from "../../../adapters/command/Flags.ts"
import { partsOf } from "../../../adapters/command/Help.ts"
import { commands, internalVariables, variables } from "../../../adapters/docs/Commands.ts"
import { generatedFiles } from "../../../adapters/docs/Files.ts"
import * as main from "../../../src/index.ts"
import * as promise from "../../../src/promise.ts"
import * as testing from "../../../src/testing.ts"

const root = join(import.meta.dirname, "..", "..", "..")
const generated = generatedFiles()

describe("generated texts", () => {
  for (const [name, content] of generated) {
    it(`${name} is up to date (npm run docs)`, () => {
      assert.strictEqual(readFileSync(join(root, name), "utf8"), content)
    })
  }

  it("package.json has every manual page", () => {
    const { files, man } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    assert.deepStrictEqual(
      man,
      [...generated.keys()].filter((name) => name.endsWith(".1")).map((name) => `./${name}`)
    )
    assert.includeMembers(files, ["man"])
  })

  it("the reference of a command has every listed flag", () => {
    for (const { help, name, subcommands } of commands) {
      for (const one of [{ help, name }, ...subcommands]) {
        const flags = Object.entries<Flags[string]>(one.help.flags).flatMap(([flag, { about, short }]) =>
          about === undefined ? [] : [`--${flag}`, ...(short === undefined ? [] : [`-${short}`])]
        )
        const described = partsOf(one.help).flatMap((part) =>
          part._tag === "Items" && /\b[Oo]ptions\b/.test(part.title)
            ? part.items.flatMap(({ term }) => term.match(/(?<![\w-])--?[a-z][\w-]*/gi) ?? [])
            : []
        )
        assert.sameMembers(described, flags, one.name)
      }
    }
  })

  it("only old names are unlisted flags", () => {
    const unlisted = Object.entries<Flags[string]>(execFlags).filter(([, { about }]) => about === undefined)
    assert.deepStrictEqual(
      unlisted.map(([name]) => name),
      ["as", "v"]
    )
  })

  it("the reference has every verb", () => {
    const described = commands[0]?.subcommands.map(({ name }) => name) ?? []
    // These have no options of their own.
    assert.sameMembers(["exec", "help", "version", ...described], [...verbNames])
  })

  it("the reference has every variable that the code reads", () => {
    const read = new Set(
      globSync(["src/**/*.ts", "adapters/**/*.ts"], { cwd: root, exclude: ["adapters/docs/**"] }).flatMap((file) =>
        [
          ...readFileSync(join(root, file), "utf8").matchAll(
            /"((?:DOCKER|TASK_EXEC|OTEL)_[A-Z_]+)"|process\.env\.([A-Z_]+)/g
          )
        ].map(([, quoted, plain]) => quoted ?? plain)
      )
    )
    const known = [...variables.map(({ term }) => term), ...internalVariables, "TERM"]
    assert.deepStrictEqual(
      [...read].filter((name) => name === undefined || !known.includes(name)),
      []
    )
  })
})

describe("the API's pages", () => {
  const pages = [...generated].filter(([name]) => name.startsWith("docs/api/"))
  const all = pages.map(([, content]) => content).join("\n")

  it("are the only files in their folder", () => {
    assert.sameMembers(
      globSync("docs/api/*", { cwd: root }),
      pages.map(([name]) => name)
    )
  })

  it("have every export of the package", () => {
    const names = (module: object) => Object.keys(module)
    for (const name of [...names(main), ...names(promise), ...names(testing)]) {
      assert.match(all, new RegExp(`^### ${name}$`, "m"))
    }
    for (const name of ["ExecRequest", "RunError", "Swarm", "Script"]) {
      assert.match(all, new RegExp(`^### ${name}$`, "m"), "a type")
    }
  })

  it("each have an introduction", () => {
    assert.deepStrictEqual(
      pages.filter(([, content]) => /\n\n\. Import/.test(content) || /\| {2}\|/.test(content)).map(([name]) => name),
      []
    )
  })

  it("have every error that an export fails with", () => {
    const errors = globSync(join(root, "src/**/*.ts")).flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/^export class (\w+) extends Schema\.TaggedError/gm)].map(
        ([, error = ""]) => error
      )
    )
    assert.isAbove(errors.length, 40)
    const code = [...all.matchAll(/^```\n(.*?)\n```$/gms)]
      .map(([, text = ""]) => text.replace(/\/\*\*.*?\*\//gs, ""))
      .join("\n")
    const missing = errors.filter(
      (error) => new RegExp(`\\b${error}\\b`).test(code) && !new RegExp(`^### ${error}$`, "m").test(all)
    )
    assert.deepStrictEqual(missing, [])
  })

  it("describe every export", () => {
    const bare = [...all.matchAll(/^### (\w+)\n\n```/gm)].map(([, name]) => name)
    assert.deepStrictEqual(bare, [])
  })
})

describe.skipIf(spawnSync("groff", ["--version"]).status !== 0)("groff", () => {
  for (const [name, content] of generated) {
    if (!name.endsWith(".1")) continue
    it(`does not describe ${name}`, () => {
      const { status, stderr, stdout } = spawnSync("groff", ["-man", "-ww", "-Tascii", "-P-bcou"], {
        input: content,
        encoding: "utf8"
      })
      assert.deepStrictEqual([status, stderr], [0, ""])
      assert.include(stdout, "EXIT STATUS")
    })
  }
})
