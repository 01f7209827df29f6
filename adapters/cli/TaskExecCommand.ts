/** The command `task-exec`: a verb, or a command to run in a task. */
import * as Effect from "effect/Effect"
import { nearest } from "../../src/internal/Nearest.ts"
import { version } from "../../src/Version.ts"
import { connectionFlags, debugFlag } from "../command/CommonFlags.ts"
import { flagName, scanFlags } from "../command/Flags.ts"
import { type CommandHelp, type Part, renderHelp } from "../command/Help.ts"
import { UsageError } from "../command/Usage.ts"
import { isWithoutTarget } from "../fleet/FleetArgs.ts"
import { writeText } from "../Output.ts"
import { exec, help } from "./Exec.ts"
import { execFlags } from "./ExecFlags.ts"
import { calledBy, failLine, runLine } from "./ExecLine.ts"
import { isVerb, type VerbName, verbNames, verbs } from "./VerbNames.ts"
import { isOwnVerb, loadVerb, runVerb } from "./Verbs.ts"

/** The verb with which a shell asks for completions. */
const completeCommand = "__complete"

const stdout = 1

const commandList: Part = {
  _tag: "Items",
  title: "Verbs",
  items: verbs.map(([term, about]) => ({ term, about }))
}

/** The help of `task-exec`. */
export const rootHelp: CommandHelp = {
  ...help,
  usage: [...help.usage, "VERB [OPTIONS] [ARG...]"],
  about: [
    ...help.about,
    commandList,
    "Run 'task-exec VERB --help' for the options of a verb. For a service that is named like a verb, use service/NAME, as in task-exec service/cp date. A slot such as cp.1 needs no prefix. After task-exec exec, no word is a verb."
  ]
}

/** Runs one command line and returns its exit code. `program` is what the user typed: `task-exec`, or `docker taskexec`. */
export const taskExecCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  if (argv[0] === completeCommand) {
    return Effect.promise(() => import("./Complete.ts")).pipe(Effect.flatMap((_) => _.complete(argv.slice(1))))
  }
  if (argv.length === 0) return printHelp(program, [])
  const found = verbIn(argv)
  const caller = { program, command: program }
  if (found === undefined) return runLine({ caller, verb: exec, about: ["", rootHelp] }, argv)
  if ("misplaced" in found) return failLine(caller, found.misplaced, argv)
  const { name, words } = found
  switch (name) {
    case "exec":
      return runLine(calledBy(program, exec), words)
    case "help":
      return printHelp(program, words)
    case "version":
      if (words.length > 0) return printHelp(program, ["version", ...words])
      return Effect.as(Effect.ignore(writeText(stdout, `${program} ${version}\n`)), 0)
    default:
      return runVerb(program, name, words)
  }
}

type Found = { readonly name: VerbName; readonly words: ReadonlyArray<string> } | { readonly misplaced: UsageError }

/** Flags that may stand before a verb: the docker CLI forwards its own flags there. */
const flagsBeforeVerb = { ...connectionFlags, ...debugFlag }

/** Finds the verb of a command line. Returns `undefined` if the word in its place is a target or a command. */
const verbIn = (argv: ReadonlyArray<string>): Found | undefined => {
  const { flags, next } = scanFlags(argv, execFlags)
  const word = argv[next]
  if (!isVerb(word)) return undefined
  const before = argv.slice(0, next)
  const mayPrecede = (flag: string) => Object.hasOwn(flagsBeforeVerb, flagName(flag))
  if (scanFlags(before, flagsBeforeVerb).flags.every(mayPrecede)) {
    return { name: word, words: [...before, ...argv.slice(next + 1)] }
  }
  const isGiven = (name: string) => flags.some((flag) => flag === `--${name}` || flag.startsWith(`--${name}=`))
  // `--help cp` is `help cp`.
  if (isGiven("help")) return { name: "help", words: [word] }
  const values = Object.fromEntries(["all", "any"].map((name) => [name, isGiven(name)]))
  const named = Object.fromEntries(["stack", "node"].filter(isGiven).map((name) => [name, ""]))
  // With `--version`, no other word counts. In `--stack shop ls` the options select the tasks, and `ls` is the command.
  if (isGiven("version") || isGiven("v") || isWithoutTarget({ ...values, ...named })) return undefined
  return {
    misplaced: new UsageError({
      detail: `${word} is a verb: put its options after it (for a service named ${word}, use service/${word})`
    })
  }
}

/** `help`, `help VERB`. */
const printHelp = (program: string, words: ReadonlyArray<string>): Effect.Effect<number> => {
  const [name, ...more] = words.filter((word) => !word.startsWith("-"))
  const print = (verb: string, text: CommandHelp) =>
    Effect.as(Effect.ignore(writeText(stdout, renderHelp(program, verb, text))), 0)
  // "help agent up" is the help of agent.
  const [extra] = name === "agent" ? [] : more
  if (extra !== undefined && isVerb(name)) {
    const error = new UsageError({ detail: `unexpected argument ${JSON.stringify(extra)}` })
    return failLine({ program, command: program }, error, [])
  }
  if (name === "exec") return print(name, help)
  if (name === undefined || name === "help" || name === "version") return print("", rootHelp)
  if (isOwnVerb(name)) {
    return Effect.flatMap(loadVerb(name), (verb) => print(name, verb.help))
  }
  const meant = nearest(name, verbNames)
  const hint = meant === undefined ? "" : `. Did you mean ${meant}?`
  const error = new UsageError({ detail: `unknown verb ${JSON.stringify(name)}${hint}` })
  return failLine({ program, command: program }, error, [])
}
