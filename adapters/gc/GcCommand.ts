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
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { noOperands, runSubcommand } from "../command/Subcommand.ts"
import { UsageError } from "../command/Usage.ts"
import { layOut } from "../LayOut.ts"
import { printable, toJson } from "../Printable.ts"

/** The exit code if leftovers remain or a node could not be checked. */
const notClean = 1

/** The flags. */
export const gcFlags = {
  "dry-run": {
    type: "boolean",
    default: false,
    about: "Only list leftovers and the objects of live runs; remove nothing"
  },
  json: { type: "boolean", default: false, about: "Print one JSON document instead of a table" },
  local: { type: "boolean", default: false, about: "Check containers on the connected engine only, not on all nodes" },
  run: {
    type: "string",
    multiple: true,
    default: [],
    value: "ID",
    about:
      "Remove only the objects of this run, even before its deadline, and kill its command if it is alive. ID is in the RUN column and in the label task-exec.run. Can be repeated"
  },
  ...connectionFlags,
  ...helpFlag
} satisfies Flags

/** The help of the verb. */
export const help: CommandHelp = {
  usage: ["[OPTIONS]"],
  about: [
    "Remove services, secrets, networks and containers that killed runs left and that are past their deadline. Every run does this, too. Leftovers of removed agents are only listed: task-exec agent down removes them."
  ],
  flags: gcFlags,
  after: [
    exitCodeList(
      ["0", "no leftovers remain"],
      ["1", "leftovers remain, or a node could not be checked"],
      commonCodes.usage,
      ["125", "the engine cannot be reached"]
    )
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
  /** Empty: all objects that are past their deadline. */
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
  if (values.run.includes("")) return yield* new UsageError({ detail: "--run needs a run ID" })
  const { json, local, run: runs } = values
  return { dryRun: values["dry-run"], json, local, runs }
})

const run = Effect.fn("task-exec.gc")(
  function* (args: GcArgs, stdout: Channel) {
    const { dryRun, json, local, runs } = args
    const which = runs.length === 0 ? { now: yield* Clock.currentTimeMillis } : { runs }
    const report = yield* sweep({ dryRun, nodes: local ? "local" : "all", ...which })
    // Objects of agents belong to no run and to no node.
    const agents = local || runs.length > 0 ? [] : yield* agentRemains()
    const remedy = (yield* CurrentInventory).taskExec("agent down")
    const text = [
      textOf(report, args),
      ...(agents.length === 0 ? [] : [`${agents.join(", ")}: left by removed agents. To remove: ${remedy}`])
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
      const kept = dryRun ? "would be removed" : `kept: ${found.error ?? "not removed"}`
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
    ...missing.map((run) => `run ${run}: nothing to remove`),
    `${removed} removed, ${left} left${spared}; ${nodes.length} of ${asked} nodes checked`
  ]
    .map(printable)
    .join("\n")
}
