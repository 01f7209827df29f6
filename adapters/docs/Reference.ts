/** `docs/reference.md`: every command line, target, exit code and variable. */
import { type Command, commands, targets, variables } from "./Commands.ts"
import type { HelpText, Item, Part } from "./HelpText.ts"

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
  ...section(help),
  ...subcommands.flatMap((one) => [`### ${name} ${one.name}`, ...section(one.help)])
]

const section = ({ parts, usage }: HelpText): ReadonlyArray<string> => [
  `\`\`\`\n${usage.join("\n")}\n\`\`\``,
  ...parts.flatMap(describe)
]

const describe = (part: Part): ReadonlyArray<string> =>
  part._tag === "Paragraph"
    ? [escaped(part.text)]
    : [
        ...(part.title === undefined ? [] : [`${escaped(part.title)}:`]),
        table(part.items.every(({ term }) => term.startsWith("-")) ? "option" : "word", "meaning", part.items)
      ]

const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``
const plain = (text: string): string => text

const table = (left: string, right: string, items: ReadonlyArray<Item>, show = code): string =>
  [`| ${left} | ${right} |`, "|---|---|", ...items.map(({ about, term }) => `| ${show(term)} | ${cell(about)} |`)].join(
    "\n"
  )

const cell = (text: string): string => escaped(text).replaceAll("|", "\\|")

/** What Markdown would take for its own. */
const escaped = (text: string): string => text.replace(/[<>*]/g, "\\$&")
