/** A command's manual page, in the macros of man(7). */
import { version } from "../../src/Version.ts"
import { type CommandHelp, type Item, type Part, partsOf } from "../command/Help.ts"
import { type Command, commands, targets, variables } from "./Commands.ts"

/** The whole page, section 1. */
export const manPage = ({ codes, help, name, subcommands, summary }: Command): string => {
  const others = commands.filter((one) => one.name !== name)
  return [
    `.TH ${name.toUpperCase()} 1 "" "task\\-exec ${version}" "User Commands"`,
    // No hyphenation and no justified lines.
    ".nh\n.ad l",
    `.SH NAME\n${text(name)} \\- ${text(summary)}`,
    `.SH SYNOPSIS\n${usage(name, help)}`,
    `.SH DESCRIPTION\n${body(help)}`,
    ...subcommands.map(
      (one) =>
        `.SH ${text(`${name} ${one.name}`.toUpperCase())}\n${usage(`${name} ${one.name}`, one.help)}\n.PP\n${body(one.help)}`
    ),
    `.SH TARGETS\n${list(targets)}`,
    `.SH EXIT STATUS\n${list(codes)}`,
    `.SH ENVIRONMENT\n${list(variables)}`,
    `.SH SEE ALSO\n${others.map((one) => `.BR ${text(one.name)} (1),`).join("\n")}\n.BR docker\\-exec (1)`
  ]
    .join("\n")
    .concat("\n")
}

const usage = (name: string, help: CommandHelp): string =>
  help.usage.map((line) => `.B ${text(`${name} ${line}`.trimEnd())}`).join("\n.br\n")

const body = (help: CommandHelp): string => partsOf(help).map(describe).join("\n")

const describe = (part: Part): string => {
  switch (part._tag) {
    case "Paragraph":
      return `.PP\n${text(part.text)}`
    case "Items":
      return `.PP\n${text(part.title)}:\n${list(part.items)}`
    case "Examples":
      return `.PP\nExamples:\n${list(part.items)}`
  }
}

const list = (items: ReadonlyArray<Item>): string =>
  items.map(({ about, term }) => `.TP\n.B ${text(term)}\n${text(about)}`).join("\n")

/** Escapes backslashes, hyphens, and lines that look like requests. */
const text = (value: string): string =>
  value
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("~", "\\(ti")
    .replaceAll("…", "...")
    .replace(/^[.']/, "\\&$&")
