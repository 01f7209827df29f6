/** `task-exec gc`: removes the services, secrets and containers that killed callers left. */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { agentRemains } from "../../src/agent/AgentService.ts"
import { CurrentInventory } from "../../src/engine/Inventory.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import type { Alive } from "../../src/sweep/Findings.ts"
import { isClean, type SweepReport, sweep } from "../../src/sweep/Sweep.ts"
import type { Channel } from "../command/Channel.ts"
import { connectionFlags, helpFlag } from "../command/CommonFlags.ts"
import { exitCodes } from "../command/ExitCode.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { noOperands, runSubcommand } from "../command/Subcommand.ts"
import { UsageError } from "../command/Usage.ts"
import { layOut } from "../LayOut.ts"
import { printable, toJson } from "../Printable.ts"

/** Something that was to go is left, or some node was not looked at. */
const notClean = 1

/** The flags. */
export const gcFlags = {
  "dry-run": {
    type: "boolean",
    default: false,
    about: "Remove nothing. List also the objects of runs that are not past their deadline"
  },
  json: { type: "boolean", default: false, about: "Print one JSON document instead of a table" },
  local: { type: "boolean", default: false, about: "Only the containers of the connected engine, not of all nodes" },
  run: {
    type: "string",
    multiple: true,
    default: [],
    value: "ID",
    about:
      "Remove the objects of this run only, whatever its deadline. If the run is alive, its command is killed. ID is RUN in the table and the label task-exec.run of the objects. Repeatable"
  },
  ...connectionFlags,
  ...helpFlag
} satisfies Flags

/** What the verb says about itself. */
export const help: CommandHelp = {
  usage: ["[OPTIONS]"],
  about: [
    "Remove services, secrets, networks and containers that killed runs left and that are past their deadline. Every run does this, too. What is left of agents whose service is gone is listed only: task-exec agent down removes it."
  ],
  flags: gcFlags,
  after: [
    "Exit code: 0 no leftovers remain; 1 some remain, or a node could not be checked; 125 the engine could not be asked; 2 wrong usage."
  ],
  examples: [
    { term: "task-exec gc --dry-run", about: "List live runs and leftovers" },
    { term: "task-exec gc --run 5f2k0v8q1w3e", about: "Remove one run at once" }
  ]
}

interface GcArgs {
  readonly dryRun: boolean
  readonly json: boolean
  readonly local: boolean
  /** Empty: everything past its deadline. */
  readonly runs: ReadonlyArray<string>
}

/** Runs one command line and returns its exit code. */
export const gcCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({
    line: { program, name: "gc", help, flags: gcFlags, argv },
    args: parse,
    run,
    failed: exitCodes.failed
  })

const parse = Effect.fnUntraced(function* ({
  positionals,
  values
}: ReadFlags<typeof gcFlags>): Effect.fn.Return<GcArgs, UsageError> {
  yield* noOperands(positionals)
  if (values.run.includes("")) return yield* new UsageError({ detail: "--run needs the ID of a run" })
  const { json, local, run: runs } = values
  return { dryRun: values["dry-run"], json, local, runs }
})

const run = Effect.fn("task-exec.gc")(
  function* (args: GcArgs, stdout: Channel) {
    const { dryRun, json, local, runs } = args
    const which = runs.length === 0 ? { now: yield* Clock.currentTimeMillis } : { runs }
    const report = yield* sweep({ dryRun, nodes: local ? "local" : "all", ...which })
    // They belong to no run, and to no node.
    const agents = local || runs.length > 0 ? [] : yield* agentRemains()
    const remedy = (yield* CurrentInventory).taskExec("agent down")
    const text = [
      textOf(report, args),
      ...(agents.length === 0 ? [] : [`${agents.join(", ")}: left by agents that are gone; remove with: ${remedy}`])
    ].join("\n")
    yield* stdout.line(json ? documentOf(report, agents, dryRun) : text)
    return isClean(report) && agents.length === 0 ? 0 : notClean
  },
  Effect.provide(HelperImage.layer),
  Effect.provide(Swarm.layer)
)

const time = (millis: number): string => new Date(millis).toISOString().replace(".000Z", "Z")

const withTime = <A extends { readonly deadline: number }>(found: A) => ({ ...found, deadline: time(found.deadline) })

const documentOf = (report: SweepReport, agents: ReadonlyArray<string>, dryRun: boolean): string =>
  toJson(
    {
      dryRun,
      ...report,
      leftovers: report.leftovers.map(withTime),
      alive: report.alive.map(withTime),
      agents
    },
    2
  )

const rowOf = ({ creator, deadline, kind, name, node, role, runId }: Alive, result: string): ReadonlyArray<string> => [
  ...[kind, name, node ?? "-", runId, role, time(deadline), creator],
  result
]

const textOf = (report: SweepReport, { dryRun, runs }: GcArgs): string => {
  const { alive, leftovers, nodes, unanswered, unreadable } = report
  const rows = [
    ...leftovers.map((found) => {
      const kept = dryRun ? "to be removed" : `kept: ${found.error ?? "not removed"}`
      return rowOf(found, found.removed ? "removed" : kept)
    }),
    ...(dryRun ? alive.map((found) => rowOf(found, "not past its deadline")) : []),
    ...unreadable.map(({ detail, kind, name, node }) => [
      kind,
      name,
      node ?? "-",
      "-",
      "-",
      "-",
      "-",
      `kept: ${detail}`
    ])
  ]
  const header = ["KIND", "NAME", "NODE", "RUN", "ROLE", "DEADLINE", "CREATOR", "RESULT"]
  const removed = leftovers.filter((leftover) => leftover.removed).length
  const left = leftovers.length - removed + unreadable.length
  const asked = nodes.length + unanswered.length
  const missing = runs.filter((run) => !leftovers.some(({ runId }) => runId === run))
  const spared = runs.length === 0 ? `, ${alive.length} not past their deadline` : ""
  return [
    ...(rows.length === 0 ? [] : layOut([header, ...rows])),
    ...unanswered.map(({ hostname, reason }) => `node ${hostname} was not checked: ${reason}`),
    ...missing.map((run) => `run ${run}: found nothing to remove`),
    `${removed} removed, ${left} left${spared}; ${nodes.length} of ${asked} nodes checked`
  ]
    .map(printable)
    .join("\n")
}
