/** `swarm-exec agent up|status|down`: the resident agents, by which commands reach other nodes without a helper. */

import * as Effect from "effect/Effect"
import { type AgentState, agentsDown, agentsStatus, agentsUp } from "../../src/agent/AgentService.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { version } from "../../src/Version.ts"
import type { Channel } from "../command/Channel.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { exitCodes } from "../command/ExitCode.ts"
import { runSubcommand } from "../command/Subcommand.ts"
import { readArgs, UsageError } from "../command/Usage.ts"
import { layOut } from "../LayOut.ts"
import { toJson } from "../Printable.ts"

/** Some node has no agent as it should be. */
const notAll = 1

/** The text that `--help` prints. */
export const help = `Usage: swarm-exec agent up [--image REF] [--rotate-key]
       swarm-exec agent status [--json]
       swarm-exec agent down

The resident agents: a global service (task-exec-agent) of task-exec's own
image. Where every node has one, commands, sessions and copies go by them, with
no helper to start; without them, or where one does not answer, by a helper.
They publish no port: the way in is the connected engine.

  up      Deploy them, or bring them to this version and this image. What runs
          by those that are replaced goes on
  status  Which node has one, and of which version
  down    Remove them, their network and the callers' key

Options:
      --context NAME  The docker context to use
  -H, --host ADDRESS  The manager to talk to, or several with commas
                      (default: DOCKER_HOST, then the context)
      --image REF     up: image of the agents (default: TASK_EXEC_IMAGE)
      --json          status: one JSON document instead of a table
      --rotate-key    up: make a new key for callers; the old one opens nothing
                      when it returns
      --help

Exit code: 0 done; status: 1 where a node has none of the service's version;
125 it could not be done; 2 wrong usage.
`

const actions = ["up", "status", "down"] as const

interface AgentArgs {
  readonly action: (typeof actions)[number]
  readonly image: string | undefined
  readonly rotateKey: boolean
  readonly json: boolean
  readonly engine: EngineChoice
  readonly help: boolean
}

/** Runs one command line and gives its exit code. */
export const agentCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({ name: "agent", help, args: parse(argv), run, failed: exitCodes.failed })

const parse = Effect.fnUntraced(function* (argv: ReadonlyArray<string>): Effect.fn.Return<AgentArgs, UsageError> {
  const { positionals, values } = yield* readArgs({
    args: [...argv],
    options: {
      context: { type: "string" },
      host: { type: "string", short: "H" },
      image: { type: "string" },
      json: { type: "boolean", default: false },
      "rotate-key": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false }
    },
    strict: true,
    allowPositionals: true
  })
  const { help, image, json } = values
  const rotateKey = values["rotate-key"]
  const action = actions.find((name) => name === positionals[0])
  const wrong = help ? undefined : wrongUse(action, positionals.length, { image, json, rotateKey })
  if (wrong !== undefined) return yield* new UsageError({ detail: wrong })
  const engine = yield* chooseEngine(values.host, values.context)
  return { action: action ?? "status", image, rotateKey, json, engine, help }
})

const wrongUse = (
  action: AgentArgs["action"] | undefined,
  operands: number,
  { image, json, rotateKey }: Pick<AgentArgs, "image" | "json" | "rotateKey">
): string | undefined => {
  if (action === undefined || operands > 1) return `it takes one of ${actions.join(", ")}`
  if (action !== "up" && (image !== undefined || rotateKey)) return "--image and --rotate-key are for up"
  return action !== "status" && json ? "--json is for status" : undefined
}

const run = Effect.fn("swarm-exec.agent")(
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
  if (states.length === 0) return 'no agents ("swarm-exec agent up" deploys them)'
  const rows = states.map(({ isCurrent, node, reason, state, version }) => [
    node,
    state,
    version,
    reason === "" ? (isCurrent ? "" : state === "running" ? "to be replaced" : "") : reason
  ])
  return layOut([["NODE", "STATE", "VERSION", ""], ...rows]).join("\n")
}
