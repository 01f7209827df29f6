/** `task-exec agent up|status|down`: resident agents, through which commands reach other nodes without a helper. */

import * as Effect from "effect/Effect"
import { agentsDown, agentsStatus, agentsUp } from "../../src/agent/AgentService.ts"
import type { AgentState } from "../../src/agent/AgentState.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { nearest } from "../../src/internal/Nearest.ts"
import { version } from "../../src/Version.ts"
import type { Channel } from "../command/Channel.ts"
import { connectionFlags, helpFlag } from "../command/CommonFlags.ts"
import { exitCodes } from "../command/ExitCode.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { noOperands, runSubcommand } from "../command/Subcommand.ts"
import { oneOf, UsageError } from "../command/Usage.ts"
import { layOut } from "../LayOut.ts"
import { toJson } from "../Printable.ts"

/** The exit code of `status` if a node has no agent of the deployed version. */
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
    about: "up: create a new key for callers and invalidate the old one"
  },
  ...connectionFlags,
  ...helpFlag
} satisfies Flags

/** The help of the verb. */
export const help: CommandHelp = {
  usage: ["up [--image IMAGE] [--rotate-key]", "status [--json]", "down"],
  about: [
    "Manage resident agents: a global service named task-exec-agent. Commands, shells and copies then reach a node through its agent, without starting a helper. If an agent does not respond, task-exec starts a helper. Agents publish no ports: callers reach them through the connected engine.",
    {
      _tag: "Items",
      title: "Actions",
      items: [
        {
          term: "up",
          about:
            "Deploy agents, or update them to this version and image. Commands that run through replaced agents keep running"
        },
        { term: "status", about: "List each node's agent and its version" },
        { term: "down", about: "Remove the agents, their network and the callers' key" }
      ]
    }
  ],
  flags: agentFlags,
  after: [
    exitCodeList(["0", "done"], ["1", "status: a node has no agent of the deployed version"], commonCodes.usage, [
      "125",
      "the action failed"
    ])
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
    const detail = named === "" ? "ACTION is missing" : `unknown action ${JSON.stringify(named)}`
    return yield* new UsageError({ detail: `${detail}: expected ${oneOf(actions)}${hint}` })
  }
  yield* noOperands(positionals.slice(1))
  const wrong = wrongUse(action, { image, json, rotateKey })
  if (wrong !== undefined) return yield* new UsageError({ detail: wrong })
  return { action, image, rotateKey, json }
})

const wrongUse = (
  action: AgentArgs["action"],
  { image, json, rotateKey }: Pick<AgentArgs, "image" | "json" | "rotateKey">
): string | undefined => {
  if (action !== "up" && (image !== undefined || rotateKey))
    return "--image and --rotate-key are options of task-exec agent up"
  return action !== "status" && json ? "--json is an option of task-exec agent status" : undefined
}

const run = Effect.fn("task-exec.agent")(
  function* ({ action, image, json, rotateKey }: AgentArgs, stdout: Channel) {
    switch (action) {
      case "up": {
        const did = yield* agentsUp({ rotateKey, ...(image === undefined ? {} : { image }) })
        const all = (yield* agentsStatus()).length
        const nodes = all === 1 ? "1 node" : `${all} nodes`
        yield* stdout.line(`agents ${did} on ${nodes} (version ${version})`)
        return 0
      }
      case "status": {
        const states = yield* agentsStatus()
        yield* stdout.line(json ? toJson(states, 2) : textOf(states))
        return states.length > 0 && states.every(({ isCurrent }) => isCurrent) ? 0 : notAll
      }
      case "down":
        yield* agentsDown()
        yield* stdout.line("agents removed")
        return 0
    }
  },
  Effect.provide(HelperImage.layer),
  Effect.provide(Swarm.layer)
)

const textOf = (states: ReadonlyArray<AgentState>): string => {
  if (states.length === 0) return "no agents (to deploy them: task-exec agent up)"
  const rows = states.map(({ isCurrent, node, reason, state, version }) => [
    node,
    state,
    version,
    reason === "" ? (isCurrent ? "" : state === "running" ? "outdated" : "") : reason
  ])
  return layOut([["NODE", "STATE", "VERSION", ""], ...rows]).join("\n")
}
