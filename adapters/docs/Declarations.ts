/** Parses the compiler's declarations (`.d.ts`): the exports of an entry of the package, with their docs. */
import { readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

/** An export. A type and a value may share a name. */
export interface Declared {
  readonly name: string
  /** The text of the doc comment, without comment marks. */
  readonly docs: string
  /** The declaration, as the compiler writes it. */
  readonly code: string
}

/** The exports of one module in an entry. */
export interface Module {
  /** The path relative to the library, without extension: `target/Lookup`. */
  readonly path: string
  readonly exports: ReadonlyArray<Declared>
}

/** Returns the modules that an entry re-exports, and its own declarations. */
export const readEntry = (folder: string, entry: string): ReadonlyArray<Module> => {
  const file = join(folder, `${entry}.d.ts`)
  const text = readFileSync(file, "utf8")
  const passed = [...text.matchAll(/^export (?:type )?\{([^}]+)\} from "([^"]+)";$/gm)].map(
    ([, names = "", from = ""]) => {
      const path = join(dirname(file), from.replace(/\.ts$/, ".d.ts"))
      const wanted = names.split(",").map((name) => name.trim().replace(/^type /, ""))
      const all = declarationsIn(path)
      return {
        path: relative(folder, path).replace(/\.d\.ts$/, ""),
        exports: wanted.flatMap((name) => all.filter((one) => one.name === name))
      }
    }
  )
  // A module may be in several groups of the entry.
  const modules = [...Map.groupBy(passed, ({ path }) => path)].map(([path, parts]) => ({
    path,
    exports: parts.flatMap(({ exports }) => exports)
  }))
  const own = declarationsOf(text)
  return own.length === 0 ? modules : [{ path: entry, exports: own }, ...modules]
}

/** The exported declarations of a file, in their order. The alias of a type of another module is shown as that module declares the type. */
const declarationsIn = (path: string): ReadonlyArray<Declared> => {
  const text = readFileSync(path, "utf8")
  const modules = new Map(
    [...text.matchAll(/^import (?:type )?\* as (\w+) from "(\.[^"]+)";$/gm)].map(([, name = "", from = ""]) => [
      name,
      from
    ])
  )
  const qualified = new RegExp(`\\b(?:${[...modules.keys()].join("|")})\\.(?=\\w)`, "g")
  return declarationsOf(text).map((declared) => {
    const [, module = "", name] = /^type \w+ = (\w+)\.(\w+);$/.exec(declared.code) ?? []
    const from = modules.get(module)
    if (from === undefined) {
      return modules.size === 0 ? declared : { ...declared, code: declared.code.replace(qualified, "") }
    }
    const all = declarationsOf(readFileSync(join(dirname(path), from.replace(/\.ts$/, ".d.ts")), "utf8"))
    return all.find((one) => one.name === name) ?? declared
  })
}

/** The exported declarations of a module, in their order. */
const declarationsOf = (text: string): ReadonlyArray<Declared> => {
  const statements = statementsOf(text)
  const bases = new Map(
    statements.flatMap(({ code }) => {
      const [, name, base] = /^declare const (\w+)_base: (.+);$/s.exec(code) ?? []
      return name === undefined || base === undefined ? [] : [[name, base]]
    })
  )
  return statements.flatMap(({ code, docs }) => {
    const [, name] = /^export (?:declare )?(?:const|class|interface|type|function) (\w+)/.exec(code) ?? []
    if (name === undefined) return []
    const base = bases.get(name)
    const plain = code.replace(/^export (?:declare )?/, "")
    const whole = base === undefined ? plain : withBase(plain, name, base)
    // Where the compiler found no name, it says where it would find one.
    return [{ name, docs, code: withoutTags(whole.replace(/import\("[^"]+"\)\./g, "")) }]
  })
}

/** Removes the tags of members, which the pages do not show, and the empty line before them. */
const withoutTags = (code: string): string => code.replace(/(?:\n\s*\* *)?(?:\n\s*\* @(?:category|since) [^\n]*)+/g, "")

/** Replaces the compiler's name of a base class by the base class itself. Shows a tagged error as in the source. */
const withBase = (code: string, name: string, base: string): string => {
  const [, tag, fields] =
    /^Schema\.Class<\w+, Schema\.TaggedStruct<("\w+"), (\{.*\})>, [^>]*YieldableError>$/s.exec(base) ?? []
  const shown =
    fields === undefined ? base : `Schema.TaggedError<${name}>()(${tag}, ${fields.replaceAll("readonly ", "")})`
  return code.replace(`extends ${name}_base`, () => `extends ${shown}`)
}

/** Statements with the comment before each. A statement ends with its last bracket, or with a semicolon outside of all. */
const statementsOf = (text: string): ReadonlyArray<{ readonly code: string; readonly docs: string }> => {
  const statements: Array<{ readonly code: string; readonly docs: string }> = []
  let docs: Array<string> = []
  let code: Array<string> = []
  let depth = 0
  let inComment = false
  for (const line of text.split("\n")) {
    const begins = !inComment && /^\s*\/\*\*/.test(line)
    const isComment = inComment || begins
    if (isComment) inComment = !line.includes("*/")
    if (isComment && code.length === 0) {
      if (begins) docs = []
      docs.push(line)
      continue
    }
    if (line === "" && code.length === 0) continue
    code.push(line)
    if (isComment) continue
    const bare = line.replace(/\/\*.*?\*\/|"(?:[^"\\]|\\.)*"/g, "").replaceAll("=>", "")
    depth += (bare.match(/[{([<]/g)?.length ?? 0) - (bare.match(/[})\]>]/g)?.length ?? 0)
    const isBlock = /^(?:export )?(?:declare )?(?:class|interface)\b/.test(code[0] ?? "")
    if (depth === 0 && (isBlock ? /\}$/ : /;$/).test(bare)) {
      statements.push({ code: code.join("\n"), docs: textOf(docs) })
      code = []
      docs = []
    }
  }
  return statements
}

const textOf = (comment: ReadonlyArray<string>): string =>
  comment
    .map((line) =>
      line
        .replace(/^\s*\/\*\* ?/, "")
        .replace(/\s*\*\/$/, "")
        .replace(/^ \* ?/, "")
    )
    .join("\n")
    .trim()
