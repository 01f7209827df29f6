/** The operands of a command line: the words that are no flags. */
import * as Effect from "effect/Effect"
import { nearest } from "../../src/internal/Nearest.ts"
import { type Flags, flagName, scanFlags } from "../command/Flags.ts"
import { UsageError } from "../command/Usage.ts"
import type { ExecValues } from "./ExecFlags.ts"
import type { Environment } from "./Variables.ts"
import { type VerbName, verbNames } from "./VerbNames.ts"

/** A command line that has been read. */
export interface CommandLine {
  readonly verb: VerbName
  /** TARGET or SERVICE. `undefined` if flags select the tasks. */
  readonly target: string | undefined
  /** The other operands: the words of the command, or a verb's own. */
  readonly words: ReadonlyArray<string>
  /** Whether the command gets a terminal. */
  readonly tty: boolean
  /** Whether the line only lists the selected tasks. */
  readonly list: boolean
  /** The values of the flags of `exec`. */
  readonly values: ExecValues
  readonly environment: Environment
}

/** The operands by their names in the usage of a verb, each with the next step if it is missing. */
const operandHints = {
  TARGET: "name a service or a task",
  SERVICE: "name a service",
  SIGNAL: "name it before TARGET, as in task-exec signal HUP web.2",
  COMMAND: "name a program"
}

/** The name of an operand. */
export type OperandName = keyof typeof operandHints

/** Returns the error about an operand that is missing. */
export const missing = (name: OperandName): UsageError =>
  new UsageError({ detail: `${name} is missing: ${operandHints[name]}` })

/** Whether an operand says which tasks the verb acts on. */
export const isTargetName = (name: OperandName): boolean => name === "TARGET" || name === "SERVICE"

/** Finds the target among operands that are no command. */
export const splitOperands = (
  names: ReadonlyArray<OperandName>,
  operands: ReadonlyArray<string>
): Pick<CommandLine, "target" | "words"> => {
  const at = names.findIndex(isTargetName)
  return { target: operands[at], words: operands.filter((_, index) => index !== at) }
}

/** bash where the container has one, otherwise sh. */
const shell = ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"]

/** Returns the command of a line: its words, or a shell if there are none and it has a terminal. Fails if the line has neither. */
export const commandOf = ({
  list,
  target,
  tty,
  verb,
  words
}: CommandLine): Effect.Effect<ReadonlyArray<string>, UsageError> => {
  if (words.length > 0 || (list && !tty)) return Effect.succeed(words)
  if (tty) return Effect.succeed(shell)
  if (target === undefined) return Effect.fail(missing("COMMAND"))
  const meant = verb === "exec" ? suggestVerb(target) : ""
  const program = verb === "exec" ? "task-exec" : `task-exec ${verb}`
  const hint = meant === "" ? `. To open a shell: ${program} -it ${target}` : meant
  return Effect.fail(new UsageError({ detail: `COMMAND is missing${hint}` }))
}

/** A command line up to its operands. */
interface UnsplitLine {
  readonly verb: VerbName
  readonly names: ReadonlyArray<OperandName>
  readonly flags: Flags
  readonly argv: ReadonlyArray<string>
  /** Index of the first operand. */
  readonly at: number
}

/**
 * Separates the target and the words of a command. `--` before or after the target ends the options of task-exec. Without it, fails if the
 * first word is one of these options: no program has such a name.
 */
export const splitCommand = (line: UnsplitLine): Effect.Effect<Pick<CommandLine, "target" | "words">, UsageError> => {
  const { argv, at, names } = line
  const isBefore = argv[at] === "--"
  const operands = argv.slice(isBefore ? at + 1 : at)
  if (!names.some(isTargetName)) return Effect.succeed({ target: undefined, words: operands })
  const [target, ...words] = operands
  if (target === undefined || isBefore) return Effect.succeed({ target, words })
  if (words[0] === "--") return Effect.succeed({ target, words: words.slice(1) })
  return Effect.as(checkMisplaced(line, target, words), { target, words })
}

/** Fails if the first word of a command is an option of task-exec. */
const checkMisplaced = (
  { argv, at, flags: table, names, verb }: UnsplitLine,
  target: string,
  words: ReadonlyArray<string>
): Effect.Effect<void, UsageError> => {
  const [first = ""] = words
  const { flags, next } = scanFlags(words, table)
  if (!flags.some((flag) => Object.hasOwn(table, flagName(flag)))) return Effect.void
  const program = verb === "exec" ? ["task-exec"] : ["task-exec", verb]
  const corrected = [...program, ...argv.slice(0, at), ...words.slice(0, next), target, ...words.slice(next)].join(" ")
  const explicit = [...program, target, "--", first].join(" ")
  const before = names.find(isTargetName)
  const detail = `${first} is an option of task-exec and must come before ${before}: ${corrected} (to run a program named ${first}: ${explicit})${suggestVerb(target)}`
  return Effect.fail(new UsageError({ detail }))
}

/** A target may be a mistyped verb. */
const suggestVerb = (target: string): string => {
  const verb = nearest(target, verbNames)
  return verb === undefined ? "" : `. Did you mean task-exec ${verb}?`
}
