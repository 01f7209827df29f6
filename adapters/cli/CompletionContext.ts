/** Finds out what the last word of an unfinished command line can be. Needs no engine. */
import { containerSignals } from "../../src/request/ContainerSignal.ts"
import { agentFlags } from "../agent/AgentCommand.ts"
import { helpFlag } from "../command/CommonFlags.ts"
import { type Flags, scanFlags } from "../command/Flags.ts"
import { cpFlags } from "../cp/CpArgs.ts"
import { doctorFlags } from "../doctor/DoctorCommand.ts"
import { forwardFlags } from "../forward/ForwardArgs.ts"
import { gcFlags } from "../gc/GcCommand.ts"
import { lsFlags } from "../ls/LsCommand.ts"
import { waitFlags } from "../wait/WaitCommand.ts"
import { debug } from "./Debug.ts"
import { execFlags } from "./ExecFlags.ts"
import { logs } from "./Logs.ts"
import { run } from "./Run.ts"
import { signal } from "./Signal.ts"
import { isVerb, type VerbName, verbs } from "./VerbNames.ts"

/** A candidate and its description. */
export type Candidate = readonly [word: string, description: string]

/** What the last word can be. */
export type CompletionContext =
  | { readonly _tag: "Flag"; readonly verb: VerbName }
  /** The value of a flag. `before`: the text before the value in the same word. */
  | { readonly _tag: "Value"; readonly flag: string; readonly before: string }
  /** A target. `before`: other targets in the same word, separated by commas. */
  | { readonly _tag: "Target"; readonly before: string }
  /** A target or a verb: the first operand. */
  | { readonly _tag: "First"; readonly before: string }
  /** A path of `cp`: a target with a colon, or a file. */
  | { readonly _tag: "Path" }
  | { readonly _tag: "Service" }
  /** One of these words. */
  | { readonly _tag: "Words"; readonly words: ReadonlyArray<Candidate> }
  /** The command's own words. */
  | { readonly _tag: "Nothing" }

/** The flags of each verb. */
export const flagsOf: Readonly<Record<VerbName, Flags>> = {
  exec: execFlags,
  debug: debug.flags,
  run: run.flags,
  logs: logs.flags,
  signal: signal.flags,
  cp: cpFlags,
  doctor: doctorFlags,
  agent: agentFlags,
  gc: gcFlags,
  ls: lsFlags,
  "port-forward": forwardFlags,
  wait: waitFlags,
  completion: helpFlag,
  "install-plugin": helpFlag,
  help: {},
  version: {}
}

/** Candidates without descriptions. */
export const withoutDescriptions = (words: ReadonlyArray<string>): ReadonlyArray<Candidate> =>
  words.map((word) => [word, ""])

const nothing: CompletionContext = { _tag: "Nothing" }

/** Finds out what the last word can be. */
export const completionContext = (words: ReadonlyArray<string>): CompletionContext => {
  const { next } = scanFlags(words.slice(0, -1), execFlags)
  const verb = next < words.length - 1 && words[next] !== "--" ? words[next] : undefined
  if (!isVerb(verb)) return inExec(words, 0, "exec")
  return isLikeExec(verb) ? inExec(words, next + 1, verb) : inVerb(verb, words, next)
}

/** The verbs whose options end at TARGET. */
type LikeExec = "exec" | "debug" | "run"

const isLikeExec = (verb: VerbName): verb is LikeExec => verb === "exec" || verb === "debug" || verb === "run"

/** `--via=he`, or the word after `--via`. */
const flagOrValue = (words: ReadonlyArray<string>, from: number, verb: VerbName): CompletionContext | undefined => {
  const last = words.at(-1) ?? ""
  const { awaiting } = scanFlags(words.slice(0, -1), flagsOf[verb], from)
  if (awaiting !== undefined) return { _tag: "Value", flag: awaiting, before: "" }
  const [, name] = /^--([a-z-]+)=/.exec(last) ?? []
  if (name !== undefined) return { _tag: "Value", flag: name, before: `--${name}=` }
  return last.startsWith("-") ? { _tag: "Flag", verb } : undefined
}

const inExec = (words: ReadonlyArray<string>, from: number, name: LikeExec): CompletionContext => {
  const { next } = scanFlags(words.slice(0, -1), flagsOf[name], from)
  if (next < words.length - 1) return nothing
  const flag = flagOrValue(words, from, name)
  if (flag !== undefined) return flag
  if (selectsByFlags(words)) return nothing
  if (name === "run") return { _tag: "Service" }
  return { _tag: from === 0 && next === 0 ? "First" : "Target", before: beforeLast(words) }
}

/** Whether flags select the tasks, so that the line has no target. */
const selectsByFlags = (words: ReadonlyArray<string>): boolean => {
  const selects = (one: string) => words.some((word) => word === `--${one}` || word.startsWith(`--${one}=`))
  return (selects("stack") || selects("node")) && !selects("all") && !selects("any")
}

/** The targets before the last comma of the last word. */
const beforeLast = (words: ReadonlyArray<string>): string => {
  const last = words.at(-1) ?? ""
  return last.slice(0, last.lastIndexOf(",") + 1)
}

const inVerb = (verb: Exclude<VerbName, LikeExec>, words: ReadonlyArray<string>, at: number): CompletionContext => {
  // Its flags may stand before and after its operands.
  let operands = 0
  let from = at + 1
  while (from < words.length - 1) {
    const { next } = scanFlags(words.slice(0, -1), flagsOf[verb], from)
    if (next >= words.length - 1) break
    operands++
    from = next + 1
  }
  const flag = flagOrValue(words, from, verb)
  if (flag !== undefined) return flag
  const choices = (all: ReadonlyArray<Candidate>): CompletionContext =>
    operands === 0 ? { _tag: "Words", words: all } : nothing
  switch (verb) {
    case "cp":
      return operands < 2 ? { _tag: "Path" } : nothing
    case "ls":
      return operands === 0 ? { _tag: "Service" } : nothing
    case "logs":
      return operands === 0 && !selectsByFlags(words) ? { _tag: "Target", before: beforeLast(words) } : nothing
    case "signal":
      if (operands === 0) return { _tag: "Words", words: withoutDescriptions(containerSignals) }
      return operands === 1 && !selectsByFlags(words) ? { _tag: "Target", before: beforeLast(words) } : nothing
    case "port-forward":
      return operands === 0 ? { _tag: "Target", before: "" } : nothing
    case "wait":
      return { _tag: "Service" }
    case "agent":
      return choices(withoutDescriptions(["up", "status", "down"]))
    case "completion":
      return choices(withoutDescriptions(["bash", "zsh", "fish"]))
    case "help":
      return choices(verbs)
    default:
      return nothing
  }
}
