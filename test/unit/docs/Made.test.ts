import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { options } from "../../../adapters/cli/Args.ts"
import { commands, internalVariables, variables } from "../../../adapters/docs/Commands.ts"
import { madeFiles } from "../../../adapters/docs/Files.ts"
import { readHelp } from "../../../adapters/docs/HelpText.ts"
import { usage } from "../../../adapters/skopos/PluginArgs.ts"
import * as main from "../../../src/index.ts"
import * as promise from "../../../src/promise.ts"
import * as testing from "../../../src/testing.ts"

const root = join(import.meta.dirname, "..", "..", "..")
const made = madeFiles()

describe("what is made of the commands' words", () => {
  for (const [name, content] of made) {
    it(`${name} is as the commands are now (npm run docs)`, () => {
      assert.strictEqual(readFileSync(join(root, name), "utf8"), content)
    })
  }

  it("package.json has every manual page", () => {
    const { files, man } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    assert.deepStrictEqual(
      man,
      [...made.keys()].filter((name) => name.endsWith(".1")).map((name) => `./${name}`)
    )
    assert.includeMembers(files, ["man"])
  })

  it("every flag of task-exec is in its reference and its manual page, as it is written", () => {
    const flags = Object.entries(options).flatMap(([name, flag]) => [
      `--${name}`,
      ...("short" in flag ? [`-${flag.short}`] : [])
    ])
    const described = commands[0]?.help.parts.flatMap((part) =>
      part._tag === "Items" ? part.items.flatMap(({ term }) => term.match(/(?<![\w-])--?[a-z][\w-]*/gi) ?? []) : []
    )
    // As every program has it, it is not said.
    assert.sameMembers([...new Set([...(described ?? []), "-h"])], flags)
  })

  it("every subcommand of swarm-exec is there", () => {
    const named = [...usage.matchAll(/^ +swarm-exec ([a-z-]+)/gm)].map(([, name]) => name)
    const described = commands[1]?.subcommands.map(({ name }) => name) ?? []
    // These have no options of their own.
    assert.sameMembers(["task-exec", "exec", "--version", ...described], named)
  })

  it("every variable that is read is there", () => {
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

describe("the API's page", () => {
  const page = made.get("docs/api.md") ?? ""

  it("has every export of the package", () => {
    const names = (module: object) => Object.keys(module)
    for (const name of [...names(main), ...names(promise), ...names(testing)]) {
      assert.match(page, new RegExp(`^#### ${name}$`, "m"))
    }
    for (const name of ["ExecRequest", "RunError", "Swarm", "Script"]) {
      assert.match(page, new RegExp(`^#### ${name}$`, "m"), "a type")
    }
  })

  it("has every error that an export fails with", () => {
    const errors = globSync(join(root, "src/**/*.ts")).flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/^export class (\w+) extends Schema\.TaggedError/gm)].map(
        ([, error = ""]) => error
      )
    )
    assert.isAbove(errors.length, 40)
    const code = [...page.matchAll(/^```\n(.*?)\n```$/gms)]
      .map(([, text = ""]) => text.replace(/\/\*\*.*?\*\//gs, ""))
      .join("\n")
    const missing = errors.filter(
      (error) => new RegExp(`\\b${error}\\b`).test(code) && !new RegExp(`^#### ${error}$`, "m").test(page)
    )
    assert.deepStrictEqual(missing, [])
  })

  it("says of every export what it is", () => {
    const bare = [...page.matchAll(/^#### (\w+)\n\n```/gm)].map(([, name]) => name)
    assert.deepStrictEqual(bare, [])
  })
})

describe("the reader of a help text", () => {
  it("takes it apart", () => {
    const help = readHelp(`Usage: one [OPTIONS]
       two

What it does,
in two lines.

Options, all of them:
  -a, --all NAME       First line
                       and the second
      --help
TIME is a number.
`)
    assert.deepStrictEqual(help, {
      usage: ["one [OPTIONS]", "two"],
      parts: [
        { _tag: "Paragraph", text: "What it does, in two lines." },
        {
          _tag: "Items",
          title: "Options, all of them",
          items: [
            { term: "-a, --all NAME", about: "First line and the second" },
            { term: "--help", about: "" }
          ]
        },
        { _tag: "Paragraph", text: "TIME is a number." }
      ]
    })
  })
})

describe.skipIf(spawnSync("groff", ["--version"]).status !== 0)("groff", () => {
  for (const [name, content] of made) {
    if (!name.endsWith(".1")) continue
    it(`has nothing to say of ${name}`, () => {
      const { status, stderr, stdout } = spawnSync("groff", ["-man", "-ww", "-Tascii", "-P-bcou"], {
        input: content,
        encoding: "utf8"
      })
      assert.deepStrictEqual([status, stderr], [0, ""])
      assert.include(stdout, "EXIT STATUS")
    })
  }
})
