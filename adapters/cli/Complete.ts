/**
 * What may come next on a command line of `task-exec`: its flags, their values, and the tasks that run now. It speaks the
 * protocol of cobra's `__complete`, in which the docker CLI asks its plugins: a candidate for each line, with a description
 * after a tab, and a last line that says what the shell is to do with them.
 */
import { parseArgs } from "node:util"
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
import { Via } from "../../src/request/Via.ts"
import { isRunning } from "../../src/target/Lookup.ts"
import { slotOf, taskName } from "../../src/target/ResolvedTask.ts"
import { withEngine } from "../command/ChosenEngine.ts"
import { chooseEngine } from "../command/EngineChoice.ts"
import { hasUnits } from "../command/Usage.ts"
import { logFormats } from "../LineLogger.ts"
import { writeAll, writeText } from "../Output.ts"
import { printable } from "../Printable.ts"
import { options } from "./Args.ts"

/** What the last word is. */
export type Wanted =
  | { readonly _tag: "Flag" }
  /** The value of a flag; `before` is what stands before it in the same word. */
  | { readonly _tag: "Value"; readonly flag: string; readonly before: string }
  /** A target; `before` is what stands before it in the same word: other targets, with commas between. */
  | { readonly _tag: "Target"; readonly before: string }
  /** The command's own words. */
  | { readonly _tag: "Nothing" }

/** What the shell is to do: take these candidates and nothing else, or names of files. */
const only = ":4"
const files = ":0"

/** How long the engine may take: somebody waits for an answer to a key. */
const patience = "2 seconds"

const flags: Readonly<Record<string, { readonly type: "string" | "boolean"; readonly short?: string }>> = options

/** Flags whose value may be left out: `--wait`. */
const optional = new Set(["wait"])

/** The flag whose value is the next word, if any. */
const awaitsValue = (word: string): string | undefined => {
  if (word.startsWith("--")) {
    const name = word.slice(2)
    return flags[name]?.type === "string" && !optional.has(name) ? name : undefined
  }
  // The first one of a bundle that takes a value takes the rest of the word for it.
  for (const [at, letter] of [...word.slice(1)].entries()) {
    const [name, flag] = Object.entries(flags).find(([, { short }]) => short === letter) ?? []
    if (flag?.type === "string") return at === word.length - 2 ? name : undefined
  }
  return undefined
}

/** What the last of the words is; the others are as they were typed. */
export const whatIsWanted = (words: ReadonlyArray<string>): Wanted => {
  const last = words.at(-1) ?? ""
  let flag: string | undefined
  for (const [at, word] of words.slice(0, -1).entries()) {
    if (words[at - 1] === "--wait" && hasUnits(word)) continue
    if (flag !== undefined) flag = undefined
    else if (word.startsWith("-") && word !== "-") flag = awaitsValue(word)
    else return { _tag: "Nothing" }
  }
  if (flag !== undefined) return { _tag: "Value", flag, before: "" }
  const [, name] = /^--([a-z-]+)=/.exec(last) ?? []
  if (name !== undefined) return { _tag: "Value", flag: name, before: `--${name}=` }
  if (last.startsWith("-")) return { _tag: "Flag" }
  const selects = (one: string) => words.some((word) => word === `--${one}` || word.startsWith(`--${one}=`))
  if ((selects("stack") || selects("node")) && !selects("all") && !selects("any")) return { _tag: "Nothing" }
  return { _tag: "Target", before: last.slice(0, last.lastIndexOf(",") + 1) }
}

/** A word that fits, and what it is. */
type Candidate = readonly [word: string, description: string]

/** `web.2` before `web.10`. */
const byName = ([a]: Candidate, [b]: Candidate): number => a.localeCompare(b, "en", { numeric: true })

const plain = (words: ReadonlyArray<string>): ReadonlyArray<Candidate> => words.map((word) => [word, ""])

const allFlags = Object.keys(flags).map((name) => `--${name}`)

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

/** Services, and every running task by its slot or its node. */
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
      return Effect.succeed(plain(allFlags))
    case "Value":
      return valuesOf(wanted.flag)
    case "Target":
      return targets
    case "Nothing":
      return Effect.succeed([])
  }
}

/** Answers for these words, of which the last one is not whole yet. Where nothing can be found out, nothing is said. */
export const complete = (words: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const wanted = whatIsWanted(words)
    if (wanted._tag === "Value" && ["audit-file", "env-file", "out-dir"].includes(wanted.flag)) {
      return yield* writeText(1, `${files}\n`)
    }
    const { values } = parseArgs({ args: [...words], options, strict: false })
    const given = (value: unknown) => (typeof value === "string" ? value : undefined)
    const choice = yield* chooseEngine(given(values.host), given(values.context))
    const candidates = yield* candidatesFor(wanted).pipe(
      Effect.provide(Swarm.layer),
      withEngine(choice),
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed([]) })
    )
    const before = "before" in wanted ? wanted.before : ""
    const last = words.at(-1) ?? ""
    const lines = candidates
      .map(([word, description]) => [before + word, description] as const)
      .filter(([word]) => word.startsWith(last))
      // What a shell would put on the command line as it is, or show; a name with anything else in it can be given by its ID.
      .filter(([word]) => word === printable(word))
      .map(([word, description]) => [word, ...(description === "" ? [] : [description])].map(printable).join("\t"))
    yield* writeAll(1, Buffer.from(`${[...lines, only].join("\n")}\n`))
  }).pipe(
    Effect.catch(() => Effect.ignore(writeText(1, `${only}\n`))),
    Effect.as(0)
  )
