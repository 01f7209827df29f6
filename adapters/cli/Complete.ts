/**
 * Completion candidates for a command line: flags, their values, and running tasks. Speaks the protocol of cobra's `__complete`, which
 * the docker CLI uses for its plugins: one candidate per line, with a description after a tab, and a last line with a directive for the
 * shell.
 */
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { defaultContext } from "../../src/engine/DockerConfig.ts"
import { contextNames } from "../../src/engine/DockerContext.ts"
import type { SwarmFailure } from "../../src/engine/EngineErrors.ts"
import { wantedTasks } from "../../src/engine/EngineSchemas.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { Signal } from "../../src/executor/ExecSpec.ts"
import { stackLabel } from "../../src/fleet/Selection.ts"
import { roleOf } from "../../src/Labels.ts"
import { containerSignals } from "../../src/request/ContainerSignal.ts"
import { Via } from "../../src/request/Via.ts"
import { isRunning } from "../../src/target/Lookup.ts"
import { slotOf, taskName } from "../../src/target/ResolvedTask.ts"
import { agentFlags } from "../agent/AgentCommand.ts"
import { withEngine } from "../command/ChosenEngine.ts"
import { helpFlag } from "../command/CommonFlags.ts"
import { chooseEngine } from "../command/EngineChoice.ts"
import { type Flag, type Flags, scanFlags } from "../command/Flags.ts"
import { cpFlags } from "../cp/CpArgs.ts"
import { doctorFlags } from "../doctor/DoctorCommand.ts"
import { forwardFlags } from "../forward/ForwardArgs.ts"
import { gcFlags } from "../gc/GcCommand.ts"
import { logFormats } from "../LineLogger.ts"
import { lsFlags } from "../ls/LsCommand.ts"
import { writeAll, writeText } from "../Output.ts"
import { printable } from "../Printable.ts"
import { waitFlags } from "../wait/WaitCommand.ts"
import { debug } from "./Debug.ts"
import { execFlags } from "./ExecFlags.ts"
import { logs } from "./Logs.ts"
import { run } from "./Run.ts"
import { signal } from "./Signal.ts"
import { isVerb, type VerbName, verbs } from "./VerbNames.ts"

/** The kind of the last word. */
export type Wanted =
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

/** Directives for the shell: use only these candidates, or complete file names. */
const only = ":4"
const files = ":0"

/** How long the engine may take. The user waits for the completion. */
const patience = "2 seconds"

const flagsOf: Readonly<Record<VerbName, Flags>> = {
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

const nothing: Wanted = { _tag: "Nothing" }

/** Returns the kind of the last word. */
export const whatIsWanted = (words: ReadonlyArray<string>): Wanted => {
  const { next } = scanFlags(words.slice(0, -1), execFlags)
  const verb = next < words.length - 1 && words[next] !== "--" ? words[next] : undefined
  if (!isVerb(verb)) return inExec(words, 0, "exec")
  return isLikeExec(verb) ? inExec(words, next + 1, verb) : inVerb(verb, words, next)
}

/** The verbs whose options end at TARGET. */
type LikeExec = "exec" | "debug" | "run"

const isLikeExec = (verb: VerbName): verb is LikeExec => verb === "exec" || verb === "debug" || verb === "run"

/** `--via=he`, or the word after `--via`. */
const flagOrValue = (words: ReadonlyArray<string>, from: number, verb: VerbName): Wanted | undefined => {
  const last = words.at(-1) ?? ""
  const { awaiting } = scanFlags(words.slice(0, -1), flagsOf[verb], from)
  if (awaiting !== undefined) return { _tag: "Value", flag: awaiting, before: "" }
  const [, name] = /^--([a-z-]+)=/.exec(last) ?? []
  if (name !== undefined) return { _tag: "Value", flag: name, before: `--${name}=` }
  return last.startsWith("-") ? { _tag: "Flag", verb } : undefined
}

const inExec = (words: ReadonlyArray<string>, from: number, name: LikeExec): Wanted => {
  const { next } = scanFlags(words.slice(0, -1), flagsOf[name], from)
  if (next < words.length - 1) return nothing
  const flag = flagOrValue(words, from, name)
  if (flag !== undefined) return flag
  if (isWithout(words)) return nothing
  if (name === "run") return { _tag: "Service" }
  return { _tag: from === 0 && next === 0 ? "First" : "Target", before: beforeLast(words) }
}

/** Whether flags select the tasks, so that the line has no target. */
const isWithout = (words: ReadonlyArray<string>): boolean => {
  const selects = (one: string) => words.some((word) => word === `--${one}` || word.startsWith(`--${one}=`))
  return (selects("stack") || selects("node")) && !selects("all") && !selects("any")
}

/** The targets before the last comma of the last word. */
const beforeLast = (words: ReadonlyArray<string>): string => {
  const last = words.at(-1) ?? ""
  return last.slice(0, last.lastIndexOf(",") + 1)
}

const inVerb = (verb: Exclude<VerbName, LikeExec>, words: ReadonlyArray<string>, at: number): Wanted => {
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
  const choices = (all: ReadonlyArray<Candidate>): Wanted => (operands === 0 ? { _tag: "Words", words: all } : nothing)
  switch (verb) {
    case "cp":
      return operands < 2 ? { _tag: "Path" } : nothing
    case "ls":
      return operands === 0 ? { _tag: "Service" } : nothing
    case "logs":
      return operands === 0 && !isWithout(words) ? { _tag: "Target", before: beforeLast(words) } : nothing
    case "signal":
      if (operands === 0) return { _tag: "Words", words: plain(containerSignals) }
      return operands === 1 && !isWithout(words) ? { _tag: "Target", before: beforeLast(words) } : nothing
    case "port-forward":
      return operands === 0 ? { _tag: "Target", before: "" } : nothing
    case "wait":
      return { _tag: "Service" }
    case "agent":
      return choices(plain(["up", "status", "down"]))
    case "completion":
      return choices(plain(["bash", "zsh", "fish"]))
    case "help":
      return choices(verbs)
    default:
      return nothing
  }
}

/** A candidate and its description. */
type Candidate = readonly [word: string, description: string]

/** `web.2` before `web.10`. */
const byName = ([a]: Candidate, [b]: Candidate): number => a.localeCompare(b, "en", { numeric: true })

const plain = (words: ReadonlyArray<string>): ReadonlyArray<Candidate> => words.map((word) => [word, ""])

const flagNames = (verb: VerbName): ReadonlyArray<Candidate> =>
  Object.entries<Flag>(flagsOf[verb]).flatMap(
    ([name, { about }]): ReadonlyArray<Candidate> => (about === undefined ? [] : [[`--${name}`, about]])
  )

const nodes = Swarm.use((swarm) =>
  Effect.map(swarm.listNodes(), (all) =>
    all
      .map(({ Description, Spec }): Candidate => [Description.Hostname, `${Spec.Role}, ${Spec.Availability}`])
      .sort(byName)
  )
)

const stacks = Swarm.use((swarm) =>
  Effect.map(swarm.listServices({}), (all) =>
    plain([...new Set(all.flatMap(({ Spec }) => Spec.Labels[stackLabel] ?? []))].sort())
  )
)

const services = Swarm.use((swarm) =>
  Effect.map(swarm.listServices({}), (all) =>
    plain(all.flatMap(({ Spec }) => (roleOf(Spec.Labels) === undefined ? [Spec.Name] : [])).sort())
  )
)

/** Services, and running tasks by slot or node. */
const targets = Swarm.use((swarm) =>
  Effect.gen(function* () {
    const [services, tasks, machines] = yield* Effect.all(
      [swarm.listServices({}), swarm.listTasks(wantedTasks), swarm.listNodes()],
      { concurrency: 3 }
    )
    const hosts = new Map(machines.map(({ Description, ID }) => [ID, Description.Hostname]))
    return services.flatMap((service): ReadonlyArray<Candidate> => {
      if (roleOf(service.Spec.Labels) !== undefined) return []
      const running = tasks.filter((task) => task.ServiceID === service.ID && isRunning(task))
      const one = running.map((task): Candidate => {
        const host = hosts.get(task.NodeID ?? "") ?? task.NodeID ?? ""
        return [taskName(service, task, host), slotOf(service, task) === undefined ? "" : host]
      })
      return [[service.Spec.Name, `${running.length} running`], ...one.sort(byName)]
    })
  })
)

const valuesOf = (flag: string): Effect.Effect<ReadonlyArray<Candidate>, SwarmFailure | Config.ConfigError, Swarm> => {
  switch (flag) {
    case "node":
      return nodes
    case "stack":
      return stacks
    case "context":
      return Effect.map(contextNames, (names) => plain([defaultContext, ...names]))
    case "via":
      return Effect.succeed(plain(Via.literals))
    case "signal":
      return Effect.succeed(plain(Signal.literals.map((name) => name.slice(3))))
    case "log-format":
      return Effect.succeed(plain(logFormats))
    case "output":
      return Effect.succeed(plain(["json", "summary"]))
    case "filter":
      return Effect.succeed(plain(["label=", "node=", "node.label=", "state=running"]))
    default:
      return Effect.succeed([])
  }
}

const candidatesFor = (
  wanted: Wanted
): Effect.Effect<ReadonlyArray<Candidate>, SwarmFailure | Config.ConfigError, Swarm> => {
  switch (wanted._tag) {
    case "Flag":
      return Effect.succeed(flagNames(wanted.verb))
    case "Value":
      return valuesOf(wanted.flag)
    case "Target":
      return targets
    case "First":
      // Verbs need no engine.
      return Effect.map(
        Effect.orElseSucceed(targets, () => []),
        (found) => [
          ...found.map(([word, about]): Candidate => [isVerb(word) ? `service/${word}` : word, about]),
          ...verbs
        ]
      )
    case "Path":
      return Effect.map(targets, (found) => found.map(([word, about]): Candidate => [`${word}:`, about]))
    case "Service":
      return services
    case "Words":
      return Effect.succeed(wanted.words)
    case "Nothing":
      return Effect.succeed([])
  }
}

/** Returns the value of a flag anywhere on the line. */
const given = (words: ReadonlyArray<string>, name: string): string | undefined => {
  const found = words.slice(0, -1).flatMap((_, at) => scanFlags(words.slice(0, -1), execFlags, at).flags)
  return found.findLast((flag) => flag.startsWith(`--${name}=`))?.slice(name.length + 3)
}

/** Prints the candidates for the last word. Prints none if the engine cannot be asked. */
export const complete = (words: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const wanted = whatIsWanted(words)
    const last = words.at(-1) ?? ""
    const isFile = wanted._tag === "Value" && ["audit-file", "env-file", "out-dir", "record"].includes(wanted.flag)
    if (isFile || (wanted._tag === "Path" && /^[./~]/.test(last))) return yield* writeText(1, `${files}\n`)
    const choice = yield* chooseEngine(given(words, "host"), given(words, "context"))
    const candidates = yield* candidatesFor(wanted).pipe(
      Effect.provide(Swarm.layer),
      withEngine(choice),
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed([]) })
    )
    const before = "before" in wanted ? wanted.before : ""
    const lines = candidates
      .map(([word, description]) => [before + word, description] as const)
      .filter(([word]) => word.startsWith(last))
      // Skips names with characters that a shell could misinterpret. Such tasks can be named by ID.
      .filter(([word]) => word === printable(word))
      .map(([word, description]) => [word, ...(description === "" ? [] : [description])].map(printable).join("\t"))
    yield* writeAll(1, Buffer.from(`${[...lines, only].join("\n")}\n`))
  }).pipe(
    Effect.catch(() => Effect.ignore(writeText(1, `${only}\n`))),
    Effect.as(0)
  )
