/** `docs/api.md`: what the entries of the package export, from the declarations that the build makes. */
import { type Declared, type Module, readEntry } from "./Declarations.ts"

const entries = [
  ["task-exec", "index"],
  ["task-exec/promise", "promise"],
  ["task-exec/testing", "testing"]
] as const

/** The whole page. `folder` has the declarations of the library. */
export const api = (folder: string): string =>
  `${[
    "# API",
    "<!-- Made by `npm run docs` from the library's own docs. -->",
    "Each entry of the package, by the modules of `src/`. [For Effect users](effect.md) tells how to use them.",
    ...entries.flatMap(([name, entry]) => [`## ${name}`, ...readEntry(folder, entry).flatMap(chapter)])
  ].join("\n\n")}\n`

const chapter = ({ exports, path }: Module): ReadonlyArray<string> => [
  `### ${path}`,
  ...[...Map.groupBy(exports, ({ name }) => name)].flatMap(([name, all]) => section(name, all))
]

const section = (name: string, all: ReadonlyArray<Declared>): ReadonlyArray<string> => {
  const docs = [...new Set(all.map((one) => prose(one.docs)))].filter((text) => text !== "")
  return [`#### ${name}`, ...docs, `\`\`\`\n${all.map(({ code }) => code).join("\n")}\n\`\`\``]
}

/** A link to another name is that name; an example is a block of its own. */
const prose = (docs: string): string =>
  docs
    .replace(/\{@link (\w+)\}/g, "`$1`")
    .replace(/^@example\n/gm, "")
    .trim()
