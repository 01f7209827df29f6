/** `docs/reference.md`: every command line, target, exit code and variable. */
import { type CommandHelp, type Item, type Part, partsOf } from "../command/Help.ts"
import { type Command, commands, targets, variables } from "./Commands.ts"

/** The whole page. */
export const reference = (): string =>
  `${[
    "# Reference",
    "<!-- Made by `npm run docs` from what the commands say of themselves. -->",
    `The same is in the manual pages (${commands.map(({ name }) => `\`man ${name}\``).join(", ")}) and in each command's \`--help\`.`,
    ...commands.flatMap(chapter),
    "## Targets",
    "What names a task:",
    table("target", "means", targets),
    "## Exit codes",
    "A fan-out ends with the largest of its tasks' codes.",
    ...commands.map(({ codes, name }) => table(name, "meaning", codes, plain)),
    "## Environment variables",
    table("variable", "meaning", variables),
    "A command is run with `TASK_EXEC_RUN` in its environment: by it its processes are found when they must be ended."
  ].join("\n\n")}\n`

const chapter = ({ help, name, subcommands }: Command): ReadonlyArray<string> => [
  `## ${name}`,
  ...section(name, help),
  ...subcommands.flatMap((one) => [`### ${name} ${one.name}`, ...section(`${name} ${one.name}`, one.help)])
]

const section = (name: string, help: CommandHelp): ReadonlyArray<string> => [
  `\`\`\`\n${help.usage.map((line) => `${name} ${line}`.trimEnd()).join("\n")}\n\`\`\``,
  ...partsOf(help).flatMap(describe)
]

const describe = (part: Part): ReadonlyArray<string> => {
  switch (part._tag) {
    case "Paragraph":
      return [escaped(part.text)]
    case "Items": {
      const left = part.items.every(({ term }) => term.startsWith("-")) ? "option" : "word"
      return [`${escaped(part.title)}:`, table(left, "meaning", part.items)]
    }
    case "Examples":
      return ["Examples:", table("command line", "does", part.items)]
  }
}

const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``
const plain = (text: string): string => text

const table = (left: string, right: string, items: ReadonlyArray<Item>, show = code): string =>
  [`| ${left} | ${right} |`, "|---|---|", ...items.map(({ about, term }) => `| ${show(term)} | ${cell(about)} |`)].join(
    "\n"
  )

const cell = (text: string): string => escaped(text).replaceAll("|", "\\|")

/** What Markdown would take for its own. */
const escaped = (text: string): string => text.replace(/[<>*]/g, "\\$&")
