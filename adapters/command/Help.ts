/** The help of a command, as data. `--help`, the reference and the manual pages are generated from it. */
import { type Flag, type Flags, type Group, groups } from "./Flags.ts"

/** A word or a flag, and what it means. */
export interface Item {
  /** As it is written: `-e, --env NAME[=VALUE]`. */
  readonly term: string
  readonly about: string
}

/** A part of a help text, in its order. */
export type Part =
  | { readonly _tag: "Paragraph"; readonly text: string }
  | { readonly _tag: "Items"; readonly title: string; readonly items: ReadonlyArray<Item> }
  /** Command lines, each with what it does. They begin with the name of the program, `task-exec`. */
  | { readonly _tag: "Examples"; readonly items: ReadonlyArray<Item> }

/** A command. */
export interface CommandHelp {
  /** What follows the command's name, for each way to call it. */
  readonly usage: ReadonlyArray<string>
  readonly about: ReadonlyArray<string | Part>
  readonly flags: Flags
  readonly after: ReadonlyArray<string | Part>
  readonly examples: ReadonlyArray<Item>
}

/** Everything after the usage, in its order. */
export const partsOf = ({ about, after, examples, flags }: CommandHelp): ReadonlyArray<Part> => [
  ...about.map(asPart),
  ...groups.flatMap((title): ReadonlyArray<Part> => {
    const items = Object.entries(flags).flatMap(([name, flag]) =>
      flag.about !== undefined && (flag.group ?? "Options") === title
        ? [{ term: termOf(name, flag), about: flag.about }]
        : []
    )
    return items.length === 0 ? [] : [{ _tag: "Items", title: titleOf(title), items }]
  }),
  ...after.map(asPart),
  ...(examples.length === 0 ? [] : [{ _tag: "Examples" as const, items: examples }])
]

const titleOf = (group: Group): string => {
  if (group === "Options") return group
  return group === "Many tasks" ? "Options for many tasks" : `${group} options`
}

/** The exit codes of a command: each code with its meaning. */
export const exitCodeList = (...codes: ReadonlyArray<readonly [code: string, about: string]>): Part => ({
  _tag: "Items",
  title: "Exit codes",
  items: codes.map(([term, about]) => ({ term, about }))
})

/** Exit codes that several commands have. */
export const commonCodes = {
  usage: ["2", "wrong usage; nothing was done"],
  interrupted: ["130, 143, 129", "interrupted by SIGINT, SIGTERM or SIGHUP"]
} as const

const asPart = (part: string | Part): Part => (typeof part === "string" ? { _tag: "Paragraph", text: part } : part)

const termOf = (name: string, { optional, short, value }: Flag): string => {
  const long =
    value === undefined ? `--${name}` : optional === undefined ? `--${name} ${value}` : `--${name}[=${value}]`
  return short === undefined ? long : `-${short}, ${long}`
}

const width = 80

/** The text that `--help` prints. `program` is what the user typed: `task-exec`, `docker taskexec`; `name` is the command in it, if any. */
export const renderHelp = (program: string, name: string, help: CommandHelp): string => {
  const command = name === "" ? program : `${program} ${name}`
  const usage = help.usage.map((one, at) => `${at === 0 ? "Usage: " : "       "}${command} ${one}`.trimEnd())
  const parts = partsOf(help)
  const column = Math.max(
    0,
    ...parts.map((part) => (part._tag === "Items" && isOptions(part) ? columnOf(part.items) : 0))
  )
  return [usage.join("\n"), ...parts.map((part) => render(part, program, column))].join("\n\n").concat("\n")
}

const isOptions = ({ items }: { readonly items: ReadonlyArray<Item> }) =>
  items.every(({ term }) => term.startsWith("-"))

const written = ({ term }: Item): string => (term.startsWith("--") ? `    ${term}` : term)

/** Width of the terms. One that is wider has a line of its own. */
const columnOf = (items: ReadonlyArray<Item>): number =>
  Math.min(29, Math.max(...items.map((one) => written(one).length)))

/** `optionColumn`: the width of the options, the same in every group. */
const render = (part: Part, program: string, optionColumn: number): string => {
  switch (part._tag) {
    case "Paragraph":
      return wrap(part.text, width).join("\n")
    case "Items": {
      const column = isOptions(part) ? optionColumn : columnOf(part.items)
      const lines = part.items.flatMap((item) => {
        const term = written(item)
        const [first = "", ...rest] = wrap(item.about, width - column - 4)
        const indented = rest.map((line) => `${" ".repeat(column + 4)}${line}`)
        return term.length > column
          ? [`  ${term}`, `${" ".repeat(column + 4)}${first}`, ...indented]
          : [`  ${term.padEnd(column)}  ${first}`.trimEnd(), ...indented]
      })
      return [`${part.title}:`, ...lines].join("\n")
    }
    case "Examples":
      return [
        "Examples:",
        ...part.items.flatMap(({ about, term }) => [`  # ${about}`, `  ${term.replaceAll(/\btask-exec\b/g, program)}`])
      ].join("\n")
  }
}

/** Breaks a text into lines that are no longer than this. */
const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
