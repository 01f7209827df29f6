/** `swarm-exec gc`: finds and removes what callers left behind that were ended before they could clean up. */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { agentRemains } from "../../src/agent/AgentService.ts"
import { CurrentInventory } from "../../src/engine/Inventory.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import type { Alive } from "../../src/sweep/Findings.ts"
import { isClean, type SweepReport, sweep } from "../../src/sweep/Sweep.ts"
import type { Channel } from "../command/Channel.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { exitCodes } from "../command/ExitCode.ts"
import { runSubcommand } from "../command/Subcommand.ts"
import { readArgs, UsageError } from "../command/Usage.ts"
import { layOut } from "../LayOut.ts"
import { printable, toJson } from "../Printable.ts"

/** Something that was to go is left, or some node was not looked at. */
const notClean = 1

/** The text that `--help` prints. */
export const help = `Usage: swarm-exec gc [--dry-run] [--json] [--local] [--run ID]...

Remove what task-exec made and is past its deadline: the services, secrets and
containers of callers that were ended before they could clean up. What is left
of agents whose service is gone is only named: swarm-exec agent down removes it.

Options:
      --context NAME  The docker context to use
      --dry-run       Only look; shows also what is not past its deadline
  -H, --host ADDRESS  The manager to talk to, or several with commas
                      (default: DOCKER_HOST, then the context)
      --json          One JSON document instead of a table
      --local         Only the containers of the connected engine, not of all nodes
      --run ID        Remove what belongs to this run, and nothing else, whatever
                      its deadline; the helper of a run at work ends its command.
                      RUN in the table, label task-exec.run on the objects.
                      Repeatable
      --help

Exit code: 0 nothing is left; 1 something is, or a node was not looked at;
125 the engine could not be asked; 2 wrong usage.
`

interface GcArgs {
  readonly dryRun: boolean
  readonly json: boolean
  readonly local: boolean
  /** Empty: whatever is past its deadline. */
  readonly runs: ReadonlyArray<string>
  readonly engine: EngineChoice
  readonly help: boolean
}

/** Runs one command line and gives its exit code. */
export const gcCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({ name: "gc", help, args: parse(argv), run, failed: exitCodes.failed })

const parse = Effect.fnUntraced(function* (argv: ReadonlyArray<string>): Effect.fn.Return<GcArgs, UsageError> {
  const { values } = yield* readArgs({
    args: [...argv],
    options: {
      context: { type: "string" },
      "dry-run": { type: "boolean", default: false },
      host: { type: "string", short: "H" },
      json: { type: "boolean", default: false },
      local: { type: "boolean", default: false },
      run: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", short: "h", default: false }
    },
    strict: true,
    allowPositionals: false
  })
  if (values.run.includes("")) return yield* new UsageError({ detail: "--run takes the ID of a run" })
  const { help, json, local, run: runs } = values
  const engine = yield* chooseEngine(values.host, values.context)
  return { dryRun: values["dry-run"], json, local, runs, engine, help }
})

const run = Effect.fn("swarm-exec.gc")(
  function* (args: GcArgs, stdout: Channel) {
    const { dryRun, json, local, runs } = args
    const which = runs.length === 0 ? { now: yield* Clock.currentTimeMillis } : { runs }
    const report = yield* sweep({ dryRun, nodes: local ? "local" : "all", ...which })
    // They belong to no run, and to no node.
    const agents = local || runs.length > 0 ? [] : yield* agentRemains()
    const remedy = (yield* CurrentInventory).swarmExec("agent down")
    const text = [
      textOf(report, args),
      ...(agents.length === 0 ? [] : [`${agents.join(", ")}: of agents that are gone; removed by: ${remedy}`])
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
    ...unanswered.map(({ hostname, reason }) => `node ${hostname} was not looked at: ${reason}`),
    ...missing.map((run) => `run ${run}: nothing to remove was found`),
    `${removed} removed, ${left} left${spared}; ${nodes.length} of ${asked} nodes looked at`
  ]
    .map(printable)
    .join("\n")
}
