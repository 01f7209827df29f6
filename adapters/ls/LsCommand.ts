/** `task-exec ls`: lists tasks. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Swarm } from "../../src/engine/Swarm.ts"
import { type ListedTask, type ListedTasks, listTasks } from "../../src/fleet/TaskList.ts"
import type { Channel } from "../command/Channel.ts"
import { connectionFlags, helpFlag } from "../command/CommonFlags.ts"
import { exitCodes } from "../command/ExitCode.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { noOperands, runSubcommand } from "../command/Subcommand.ts"
import { UsageError } from "../command/Usage.ts"
import { layOut } from "../LayOut.ts"
import { toJson } from "../Printable.ts"

/** The flags. */
export const lsFlags = {
  stack: { type: "string", value: "NAME", about: "Only tasks of this stack" },
  node: { type: "string", value: "HOST", about: "Only tasks on this node" },
  json: { type: "boolean", default: false, about: "Print one JSON document instead of a table" },
  quiet: { type: "boolean", short: "q", default: false, about: "Print task IDs only" },
  ...connectionFlags,
  ...helpFlag
} as const satisfies Flags

/** The help of the verb. */
export const help: CommandHelp = {
  usage: ["[OPTIONS] [SERVICE]"],
  about: [
    "List the tasks of a service, a stack, a node or the whole swarm, running or not. Each name in the TASK column is a valid TARGET.",
    "The HEALTH column is filled for services that define a health check. Swarm reports such a task as running only after its health check has passed."
  ],
  flags: lsFlags,
  after: [
    exitCodeList(["0", "done"], commonCodes.usage, [
      "125",
      "the service, stack or node does not exist, or the engine cannot be reached"
    ])
  ],
  examples: [
    { term: "task-exec ls web", about: "List the tasks of a service" },
    { term: "task-exec ls --node node-3", about: "List the tasks on a node" },
    { term: "task-exec ls --stack shop --json", about: "List the tasks of a stack as JSON" }
  ]
}

interface LsArgs {
  readonly which: ListedTasks
  readonly json: boolean
  readonly quiet: boolean
}

/** Runs one command line and returns its exit code. */
export const lsCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({
    line: { program, name: "ls", help, flags: lsFlags, argv },
    args: parse,
    run,
    failed: exitCodes.failed
  })

const parse = Effect.fnUntraced(function* ({
  positionals,
  values
}: ReadFlags<typeof lsFlags>): Effect.fn.Return<LsArgs, UsageError> {
  const [service, ...more] = positionals
  yield* noOperands(more)
  const { json, node, quiet, stack } = values
  if (service !== undefined && stack !== undefined) {
    return yield* new UsageError({ detail: "SERVICE and --stack cannot be combined" })
  }
  if (json && quiet) return yield* new UsageError({ detail: "--json and --quiet cannot be combined" })
  const which: ListedTasks = {
    ...(service === undefined ? {} : { service }),
    ...(stack === undefined ? {} : { stack }),
    ...(node === undefined ? {} : { node })
  }
  return { which, json, quiet }
})

const run = Effect.fn("task-exec.ls")(function* ({ json, quiet, which }: LsArgs, stdout: Channel) {
  const tasks = yield* listTasks(which)
  const now = yield* Clock.currentTimeMillis
  const lines = json ? [toJson(tasks.map(document), 2)] : quiet ? tasks.map(({ id }) => id) : table(tasks, now)
  yield* Effect.forEach(lines, (line) => stdout.line(line), { discard: true })
  return 0
}, Effect.provide(Swarm.layer))

const document = ({ health, slot, ...task }: ListedTask) => ({ ...task, slot: slot ?? null, health: health ?? null })

/** The lines of a table. The last column is there only if there is an error. */
export const table = (tasks: ReadonlyArray<ListedTask>, now: number): ReadonlyArray<string> => {
  const hasErrors = tasks.some(({ error }) => error !== "")
  const rows = tasks.map(({ created, error, health, id, image, name, node, state }) => [
    ...[name, id.slice(0, 12), node === "" ? "-" : node, state, health ?? "-", age(now - Date.parse(created)), image],
    ...(hasErrors ? [error] : [])
  ])
  return layOut([["TASK", "ID", "NODE", "STATE", "HEALTH", "AGE", "IMAGE", ...(hasErrors ? ["ERROR"] : [])], ...rows])
}

/** A duration in its largest unit, as kubectl writes ages: `45s`, `5m`, `3h`, `12d`. */
export const age = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (Number.isNaN(seconds)) return "-"
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 120) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`
}
