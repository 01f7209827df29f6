/** The command `task-exec`: a verb, or a command to run in a task. */
import * as Effect from "effect/Effect"
import { nearest } from "../../src/internal/Nearest.ts"
import { version } from "../../src/Version.ts"
import { connectionFlags, debugFlag } from "../command/CommonFlags.ts"
import { errorData } from "../command/ErrorData.ts"
import { exitCodeOf } from "../command/ExitCode.ts"
import { scanFlags } from "../command/Flags.ts"
import { type CommandHelp, type Part, renderHelp } from "../command/Help.ts"
import { UsageError, usageHint } from "../command/Usage.ts"
import { isWithoutTarget } from "../fleet/FleetArgs.ts"
import { lineOf } from "../LineLogger.ts"
import { type OutputClosed, type OutputFailed, say, writeText } from "../Output.ts"
import { execFlags, help, type Invocation, logFormatOf, parseInvocation } from "./Args.ts"
import { isVerb, type VerbName, verbNames, verbs } from "./VerbNames.ts"
import { isOwnVerb, loadVerb, runVerb } from "./Verbs.ts"

/** How a shell asks what may come next. */
const completeCommand = "__complete"

const stdout = 1

const commandList: Part = {
  _tag: "Items",
  title: "Commands",
  items: verbs.map(([term, about]) => ({ term, about }))
}

/** What `task-exec` says about itself. */
export const rootHelp: CommandHelp = {
  ...help,
  usage: [...help.usage, "VERB [OPTIONS] [ARG...]"],
  about: [
    ...help.about,
    commandList,
    "task-exec VERB --help prints the options of a verb. A service that has the name of a verb is service/NAME, as in task-exec service/cp date. A slot such as cp.1 needs no prefix, and after task-exec exec no word is a verb."
  ]
}

/** Runs one command line and returns its exit code. `program` is what the user typed: `task-exec`, or `docker taskexec`. */
export const taskExecCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  if (argv[0] === completeCommand) {
    return Effect.promise(() => import("./Complete.ts")).pipe(Effect.flatMap((_) => _.complete(argv.slice(1))))
  }
  if (argv.length === 0) return printHelp(program, [])
  const found = verbIn(argv)
  if (found === undefined) return runExec(program, rootHelp, argv)
  if ("misplaced" in found) return fail(program, found.misplaced, argv)
  const { name, words } = found
  switch (name) {
    case "exec":
      return runExec(program, help, words, "exec")
    case "help":
      return printHelp(program, words)
    case "version":
      return Effect.as(Effect.ignore(writeText(stdout, `${program} ${version}\n`)), 0)
    default:
      return runVerb(program, name, words)
  }
}

type Found = { readonly name: VerbName; readonly words: ReadonlyArray<string> } | { readonly misplaced: UsageError }

/** Flags that may stand before a verb: the docker CLI passes on its own there. */
const global = { ...connectionFlags, ...debugFlag }

/** The verb of a command line. */
const verbIn = (argv: ReadonlyArray<string>): Found | undefined => {
  const { flags, next } = scanFlags(argv, execFlags)
  const word = argv[next]
  if (!isVerb(word)) return undefined
  const before = argv.slice(0, next)
  if (scanFlags(before, global).flags.every((flag) => Object.hasOwn(global, flag.replace(/^--|=.*/gs, "")))) {
    return { name: word, words: [...before, ...argv.slice(next + 1)] }
  }
  // `--stack shop ls` and `--help cp`: there the word is no target.
  const isGiven = (name: string) => flags.some((flag) => flag === `--${name}` || flag.startsWith(`--${name}=`))
  const values = Object.fromEntries(["all", "any"].map((name) => [name, isGiven(name)]))
  const named = Object.fromEntries(["stack", "node"].filter(isGiven).map((name) => [name, ""]))
  if (isGiven("help")) return { name: "help", words: [word] }
  if (isGiven("version") || isGiven("v") || isWithoutTarget({ ...values, ...named })) return undefined
  return {
    misplaced: new UsageError({
      detail: `${word} is a verb: its options follow it (task-exec ${word} --help). A service of that name is service/${word}`
    })
  }
}

const runExec = (
  program: string,
  about: CommandHelp,
  argv: ReadonlyArray<string>,
  name = ""
): Effect.Effect<number> => {
  const tell = (error: OutputFailed) => {
    const line = lineOf(program, logFormatOf(argv))
    return say(line("Error", error.message, { error: errorData(error) }))
  }
  return parseInvocation(argv, process.env).pipe(
    Effect.flatMap((invocation) => perform(program, renderHelp(program, name, about), invocation)),
    Effect.catchTags({
      UsageError: (error) => fail(program, error, argv),
      OutputClosed: (error) => Effect.succeed(exitCodeOf(error)),
      OutputFailed: (error) => Effect.as(tell(error), exitCodeOf(error))
    })
  )
}

const fail = (program: string, error: UsageError, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const line = lineOf(program, logFormatOf(argv))
  return Effect.as(
    say(line("Error", error.message, { error: errorData(error) }, usageHint(program))),
    exitCodeOf(error)
  )
}

/** `help`, `help VERB`. */
const printHelp = (program: string, words: ReadonlyArray<string>): Effect.Effect<number> => {
  const [name, ...more] = words.filter((word) => !word.startsWith("-"))
  const print = (verb: string, text: CommandHelp) =>
    Effect.as(Effect.ignore(writeText(stdout, renderHelp(program, verb, text))), 0)
  if (name === "exec") return print(name, help)
  if (name === undefined || name === "help" || name === "version") return print("", rootHelp)
  if (isOwnVerb(name) && more.length === 0) {
    return Effect.flatMap(loadVerb(name), (verb) => print(name, verb.help))
  }
  const meant = nearest(name, verbNames)
  const hint = meant === undefined ? "" : `. Did you mean ${meant}?`
  return fail(program, new UsageError({ detail: `unknown verb ${JSON.stringify(name)}${hint}` }), [])
}

/** What is not needed to print help is loaded only when a command runs. */
const perform = (
  program: string,
  text: string,
  invocation: Invocation
): Effect.Effect<number, UsageError | OutputClosed | OutputFailed> => {
  switch (invocation._tag) {
    case "Help":
      return Effect.as(writeText(stdout, text), 0)
    case "Version":
      return Effect.as(writeText(stdout, `${program} ${version}\n`), 0)
    case "Exec":
      return Effect.promise(() => import("./ExecCommand.ts")).pipe(
        Effect.flatMap((_) => _.execInOne(program, invocation))
      )
    case "Fleet":
      return Effect.promise(() => import("./ExecCommand.ts")).pipe(
        Effect.flatMap((_) => _.execInMany(program, invocation))
      )
  }
}
