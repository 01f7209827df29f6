/** The flags for many tasks: which tasks, how fast, and in what form their output is shown. */
import type { parseArgs } from "node:util"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Amount, AmountRules } from "../../src/fleet/Amount.ts"
import { parseAmount } from "../../src/fleet/Amount.ts"
import type { FleetPacing } from "../../src/fleet/FleetRequest.ts"
import type { Selection } from "../../src/fleet/Selection.ts"
import { parseFilter } from "../../src/fleet/TaskFilter.ts"
import type { CommandRequest } from "../../src/request/ExecRequest.ts"
import type { Flags } from "../command/Flags.ts"
import { oneOf, parseTime, UsageError } from "../command/Usage.ts"

/** The flags. */
export const fleetFlags = {
  all: { type: "boolean", group: "Many tasks", about: "Run in every task of the service TARGET" },
  any: {
    type: "boolean",
    group: "Many tasks",
    about: "Run in one task of the service TARGET, a different one each time"
  },
  stack: {
    type: "string",
    value: "NAME",
    group: "Many tasks",
    about: "Run in every task of a stack (takes no TARGET)"
  },
  node: {
    type: "string",
    value: "HOST",
    group: "Many tasks",
    about: "Run in every task on a node (takes no TARGET). With --all or --stack: only in tasks on that node"
  },
  filter: {
    type: "string",
    multiple: true,
    value: "FILTER",
    group: "Many tasks",
    about: "Only tasks that match label=KEY[=VALUE], node=HOST, node.label=KEY[=VALUE] or state=STATE"
  },
  limit: { type: "string", value: "N|N%", group: "Many tasks", about: "Only the first N selected tasks" },
  list: { type: "boolean", group: "Many tasks", about: "List the selected tasks and run nothing" },
  parallel: {
    type: "string",
    value: "N|N%",
    group: "Many tasks",
    about: "Run in at most N tasks at a time (default 32)"
  },
  delay: { type: "string", value: "TIME", group: "Many tasks", about: "Wait between one start and the next" },
  "fail-fast": { type: "boolean", group: "Many tasks", about: "Start no more commands after the first failure" },
  "max-failures": {
    type: "string",
    value: "N|N%",
    group: "Many tasks",
    about: "Start no more commands after more than N failures"
  },
  deadline: {
    type: "string",
    value: "TIME",
    group: "Many tasks",
    about: "Kill all commands after TIME and start no more"
  },
  "follow-updates": {
    type: "boolean",
    group: "Many tasks",
    about: "If a task is replaced before its command starts, run in its replacement"
  },
  gather: { type: "boolean", short: "b", group: "Many tasks", about: "Print identical outputs once, with their tasks" },
  diff: { type: "boolean", group: "Many tasks", about: "Print how each output differs from the most common one" },
  output: {
    type: "string",
    value: "FORMAT",
    group: "Output",
    about: "json: one JSON object per line; summary: only the final summary (many tasks)"
  },
  "out-dir": { type: "string", value: "DIR", group: "Many tasks", about: "Write one file per task and stream" }
} as const satisfies Flags

/** The values of the flags. */
export type FleetValues = ReturnType<
  typeof parseArgs<{ readonly options: typeof fleetFlags; readonly strict: true }>
>["values"]

/** The form in which the output of many tasks is shown. */
export type FleetForm = "lines" | "gather" | "diff" | "json" | "summary"

/** The parsed flags. */
export interface FleetFlags {
  readonly selection: Selection
  readonly pacing: FleetPacing
  readonly followUpdates: boolean
  /** List the tasks and run nothing. */
  readonly list: boolean
  readonly form: FleetForm
  readonly outDir: string | undefined
}

/** A parsed command line for many tasks. */
export interface FleetInvocation {
  /** Without its stdin. */
  readonly request: CommandRequest
  /** Forward stdin. */
  readonly interactive: boolean
  readonly fleet: FleetFlags
  /** No warnings and no summary on stderr. */
  readonly quiet: boolean
}

/** Whether the flags select tasks without a TARGET. */
export const isWithoutTarget = ({ all, any, node, stack }: FleetValues): boolean =>
  all !== true && any !== true && (stack !== undefined || node !== undefined)

/**
 * Reads the flags. Returns `undefined` for a single task. `target` is `undefined` if {@link isWithoutTarget}. `single`: flags that make a
 * fan-out of a single target.
 */
export const parseFleet = Effect.fnUntraced(function* (
  values: FleetValues,
  target: string | undefined,
  single: ReadonlyArray<string> = []
): Effect.fn.Return<FleetFlags | undefined, UsageError> {
  const { all = false, any = false, node, stack } = values
  if (target === undefined && !isWithoutTarget(values)) return undefined
  const words = target?.split(",") ?? []
  const form = yield* formOf(values)
  const only = Object.keys(fleetFlags).find((name) => isGiven(values, name) && !(name === "output" && form === "json"))
  const isFanOut = single.some((name) => isGiven(values, name))
  if (!all && !any && words.length < 2 && target !== undefined && !isFanOut) {
    if (only === undefined) return undefined
    const option = only === "output" ? `output ${form}` : only
    return yield* new UsageError({
      detail: `--${option} is for many tasks: use it with --all, --any, --stack or --node`
    })
  }
  if (all && any) return yield* new UsageError({ detail: "--all and --any cannot be combined" })
  if (stack !== undefined && target !== undefined) {
    return yield* new UsageError({ detail: "--stack cannot be combined with --all, --any or TARGET" })
  }
  if (words.includes(""))
    return yield* new UsageError({
      detail: `invalid target ${JSON.stringify(target)}: a name between the commas is empty`
    })
  const filters = yield* Effect.forEach(values.filter ?? [], (text) =>
    Effect.mapError(Effect.fromResult(parseFilter(text)), ({ message }) => new UsageError({ detail: message }))
  )
  const { limit, parallel } = values
  const selection: Selection = {
    ...(words.length === 0 ? {} : all || any ? { services: words } : { targets: words }),
    ...(stack === undefined ? {} : { stack }),
    ...(node === undefined ? {} : { node }),
    filters,
    any,
    ...(limit === undefined ? {} : { limit: yield* amount("limit", limit, { zero: false }) })
  }
  const maxFailures = values["fail-fast"] === true ? "0" : values["max-failures"]
  const pacing: FleetPacing = {
    ...(parallel === undefined ? {} : { parallel: yield* amount("number of tasks", parallel, { zero: false }) }),
    ...(maxFailures === undefined
      ? {}
      : { maxFailures: yield* amount("number of failures", maxFailures, { zero: true }) }),
    ...(values.delay === undefined ? {} : { delay: yield* parseTime("delay", values.delay) }),
    ...(values.deadline === undefined ? {} : { deadline: yield* deadlineOf(values.deadline) })
  }
  return {
    selection,
    pacing,
    followUpdates: values["follow-updates"] ?? false,
    list: values.list ?? false,
    form,
    outDir: values["out-dir"]
  }
})

const isGiven = (values: FleetValues, name: string): boolean => Object.entries(values).some(([key]) => key === name)

const outputs = ["json", "summary"] as const

const formOf = ({ diff, gather, output }: FleetValues): Effect.Effect<FleetForm, UsageError> => {
  const named = outputs.find((name) => name === output)
  if (output !== undefined && named === undefined) {
    return Effect.fail(
      new UsageError({ detail: `invalid output ${JSON.stringify(output)}: expected ${oneOf(outputs)}` })
    )
  }
  if (named !== undefined && (gather === true || diff === true)) {
    return Effect.fail(new UsageError({ detail: `--output ${named} cannot be combined with --gather or --diff` }))
  }
  return Effect.succeed(named ?? (diff === true ? "diff" : gather === true ? "gather" : "lines"))
}

const deadlineOf = (text: string): Effect.Effect<Duration.Duration, UsageError> =>
  Effect.flatMap(parseTime("deadline", text), (time) =>
    Duration.isZero(time)
      ? Effect.fail(new UsageError({ detail: `invalid deadline ${JSON.stringify(text)}: expected more than 0` }))
      : Effect.succeed(time)
  )

const amount = (name: string, text: string, rules: AmountRules): Effect.Effect<Amount, UsageError> =>
  Effect.mapError(
    Effect.fromResult(parseAmount(text, rules)),
    ({ detail }) => new UsageError({ detail: `invalid ${name} ${JSON.stringify(text)}: ${detail}` })
  )
