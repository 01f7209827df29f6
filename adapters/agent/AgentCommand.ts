/** `task-exec agent up|status|down`: the resident agents, through which commands reach other nodes without a helper. */

import * as Effect from "effect/Effect"
import { type AgentState, agentsDown, agentsStatus, agentsUp } from "../../src/agent/AgentService.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { nearest } from "../../src/internal/Nearest.ts"
import { version } from "../../src/Version.ts"
import type { Channel } from "../command/Channel.ts"
import { connectionFlags, helpFlag } from "../command/CommonFlags.ts"
import { exitCodes } from "../command/ExitCode.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { runSubcommand } from "../command/Subcommand.ts"
import { UsageError } from "../command/Usage.ts"
import { layOut } from "../LayOut.ts"
import { toJson } from "../Printable.ts"

/** Some node has no agent as it should be. */
const notAll = 1

/** The flags. */
export const agentFlags = {
  image: {
    type: "string",
    value: "IMAGE",
    about: "up: image of the agents (default: TASK_EXEC_IMAGE, then the configuration file)"
  },
  json: { type: "boolean", default: false, about: "status: print one JSON document instead of a table" },
  "rotate-key": {
    type: "boolean",
    default: false,
    about: "up: make a new key for callers. The old key is invalid when the command returns"
  },
  ...connectionFlags,
  ...helpFlag
} satisfies Flags

/** What the verb says about itself. */
export const help: CommandHelp = {
  usage: ["up [--image IMAGE] [--rotate-key]", "status [--json]", "down"],
  about: [
    "Manage resident agents: a global service, task-exec-agent. Commands, shells and copies reach a node through its agent, without starting a helper. Where no agent answers, task-exec starts a helper. Agents publish no port: callers reach them through the connected engine.",
    {
      _tag: "Items",
      title: "Actions",
      items: [
        {
          term: "up",
          about:
            "Deploy agents, or update them to this version and image. Commands that run through replaced agents go on"
        },
        { term: "status", about: "List each node's agent and its version" },
        { term: "down", about: "Remove the agents, their network and the callers' key" }
      ]
    }
  ],
  flags: agentFlags,
  after: [
    "Exit code: 0 done; status: 1 a node has no agent of the deployed version; 125 the action failed; 2 wrong usage."
  ],
  examples: [
    { term: "task-exec agent up", about: "Deploy agents on every node" },
    { term: "task-exec agent down", about: "Remove them" }
  ]
}

const actions = ["up", "status", "down"] as const

interface AgentArgs {
  readonly action: (typeof actions)[number]
  readonly image: string | undefined
  readonly rotateKey: boolean
  readonly json: boolean
}

/** Runs one command line and returns its exit code. */
export const agentCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({
    line: { program, name: "agent", help, flags: agentFlags, argv },
    args: parse,
    run,
    failed: exitCodes.failed
  })

const parse = Effect.fnUntraced(function* ({
  positionals,
  values
}: ReadFlags<typeof agentFlags>): Effect.fn.Return<AgentArgs, UsageError> {
  const { image, json } = values
  const rotateKey = values["rotate-key"]
  const [named = ""] = positionals
  const action = actions.find((name) => name === named)
  if (action === undefined) {
    const meant = nearest(named, actions)
    const hint = meant === undefined ? "" : `. Did you mean ${meant}?`
    const detail = named === "" ? "an action is missing" : `unknown action ${JSON.stringify(named)}`
    return yield* new UsageError({ detail: `${detail}: expected ${actions.join(", ")}${hint}` })
  }
  const wrong = wrongUse(action, positionals.length, { image, json, rotateKey })
  if (wrong !== undefined) return yield* new UsageError({ detail: wrong })
  return { action, image, rotateKey, json }
})

const wrongUse = (
  action: AgentArgs["action"],
  operands: number,
  { image, json, rotateKey }: Pick<AgentArgs, "image" | "json" | "rotateKey">
): string | undefined => {
  if (operands > 1) return `expected one action: ${actions.join(", ")}`
  if (action !== "up" && (image !== undefined || rotateKey)) return "--image and --rotate-key need the action up"
  return action !== "status" && json ? "--json needs the action status" : undefined
}

const run = Effect.fn("task-exec.agent")(
  function* ({ action, image, json, rotateKey }: AgentArgs, stdout: Channel) {
    switch (action) {
      case "up": {
        const did = yield* agentsUp({ rotateKey, ...(image === undefined ? {} : { image }) })
        const all = (yield* agentsStatus()).length
        const nodes = all === 1 ? "1 node" : `${all} nodes`
        yield* stdout.line(`agents of version ${version} on ${nodes}: ${did}`)
        return 0
      }
      case "status": {
        const states = yield* agentsStatus()
        yield* stdout.line(json ? toJson(states, 2) : textOf(states))
        return states.length > 0 && states.every(({ isCurrent }) => isCurrent) ? 0 : notAll
      }
      case "down":
        yield* agentsDown()
        yield* stdout.line("no agents")
        return 0
    }
  },
  Effect.provide(HelperImage.layer),
  Effect.provide(Swarm.layer)
)

const textOf = (states: ReadonlyArray<AgentState>): string => {
  if (states.length === 0) return 'no agents ("task-exec agent up" deploys them)'
  const rows = states.map(({ isCurrent, node, reason, state, version }) => [
    node,
    state,
    version,
    reason === "" ? (isCurrent ? "" : state === "running" ? "to be replaced" : "") : reason
  ])
  return layOut([["NODE", "STATE", "VERSION", ""], ...rows]).join("\n")
}
