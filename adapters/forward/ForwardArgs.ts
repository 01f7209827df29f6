/** The command line of `task-exec port-forward`: that of `kubectl port-forward`, and the flags that verbs share. */
import { BlockList, isIP } from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ForwardPort, ForwardRequest } from "../../src/forward/Forwarding.ts"
import { Via } from "../../src/request/Via.ts"
import { connectionFlags, debugFlag, helpFlag, routeFlags } from "../command/CommonFlags.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { oneOf, parseTime, UsageError } from "../command/Usage.ts"

/** A parsed command line. */
export interface ForwardLine {
  readonly request: ForwardRequest
  readonly addresses: ReadonlyArray<string>
  readonly json: boolean
  readonly quiet: boolean
  readonly debug: boolean
  readonly engine: EngineChoice
}

/** The flags. */
export const forwardFlags = {
  address: {
    type: "string",
    value: "ADDRESS",
    multiple: true,
    about: "Listen on this local address (default 127.0.0.1). Separate several with commas"
  },
  follow: {
    type: "boolean",
    default: false,
    about: "When the task ends, wait for its replacement and continue"
  },
  wait: {
    type: "string",
    value: "TIME",
    optional: "60s",
    about: "Wait until the task is running, healthy and up to date (default 60s; 5m for a replacement)"
  },
  output: { type: "string", value: "FORMAT", about: "json: one JSON object per line" },
  quiet: { type: "boolean", short: "q", default: false, about: "Print errors only" },
  ...connectionFlags,
  ...routeFlags,
  ...debugFlag,
  ...helpFlag
} as const satisfies Flags

/** The help of the verb. */
export const forwardHelp: CommandHelp = {
  usage: ["[OPTIONS] TARGET [LOCAL_PORT:]REMOTE_PORT..."],
  about: [
    "Forward local ports to ports of a Swarm task, on any node, until you press Ctrl-C. The service needs no published port. Connections reach the task at 127.0.0.1, then at ::1, then at its other addresses.",
    "8080:80 forwards the local port 8080 to the task's port 80; 80 uses the same number for both; 0:80 and :80 choose a free local port. A connection that the task refuses is closed with a message, and forwarding continues. The label task-exec.allow must allow port-forward, where a service has it.",
    "TARGET is a service with one running task (web), a slot (web.2), a service's task on a node (web@node-3), or a unique prefix of a task ID or container ID."
  ],
  flags: forwardFlags,
  after: [
    exitCodeList(
      ["0", "ended by Ctrl-C"],
      commonCodes.usage,
      ["125", "a local port is in use, the task cannot be reached, or it has ended"],
      ["130, 143, 129", "interrupted by Ctrl-C before ports were forwarded, by SIGTERM or by SIGHUP"]
    )
  ],
  examples: [
    { term: "task-exec port-forward web.2 8080:80", about: "Reach port 80 of one replica at localhost:8080" },
    { term: "task-exec port-forward db 5432", about: "Connect to a database that publishes no port" },
    {
      term: "task-exec port-forward --follow web.1 0:80 0:9090",
      about: "Free local ports, across restarts of the task"
    }
  ]
}

/** Reads a command line. */
export const parseForward = Effect.fnUntraced(function* ({
  positionals,
  values
}: ReadFlags<typeof forwardFlags>): Effect.fn.Return<ForwardLine, UsageError> {
  const [target, ...words] = positionals
  if (target === undefined) return yield* new UsageError({ detail: "TARGET is missing" })
  if (words.length === 0) return yield* new UsageError({ detail: "the ports are missing, such as 8080:80" })
  const ports = yield* Effect.forEach(words, parsePorts)
  const taken = ports.map(({ local, remote }) => local ?? remote).filter((port) => port !== 0)
  const twice = taken.find((port, at) => taken.indexOf(port) !== at)
  if (twice !== undefined) return yield* new UsageError({ detail: `local port ${twice} is given twice` })
  const addresses = yield* Effect.forEach((values.address ?? ["127.0.0.1"]).join(",").split(","), parseAddress)
  const { image, output, via = "auto", wait } = values
  if (output !== undefined && output !== "json") {
    return yield* new UsageError({ detail: `invalid output ${JSON.stringify(output)}: expected json` })
  }
  if (output === "json" && values.quiet) {
    return yield* new UsageError({ detail: "--output json and --quiet cannot be combined" })
  }
  if (!isVia(via)) {
    return yield* new UsageError({ detail: `invalid route ${JSON.stringify(via)}: expected ${oneOf(Via.literals)}` })
  }
  const timeout = values["placement-timeout"]
  return {
    request: {
      target,
      ports,
      addresses,
      follow: values.follow,
      via,
      ...(wait === undefined ? {} : { wait: yield* parseTime("wait time", wait) }),
      ...(image === undefined ? {} : { image }),
      ...(timeout === undefined ? {} : { placementTimeout: yield* parseTime("placement timeout", timeout) })
    },
    addresses,
    json: output === "json",
    quiet: values.quiet,
    debug: values.debug ?? false,
    engine: yield* chooseEngine(values.host, values.context)
  }
})

const isVia = Schema.is(Via)

const maxPort = 65_535

/** Reads `8080:80`, `80`, `0:80` or `:80`. */
const parsePorts = (text: string): Effect.Effect<ForwardPort, UsageError> => {
  const [, local, remote = ""] = /^(?:(\d*):)?(\d+)$/.exec(text) ?? []
  const invalid = (detail: string) =>
    Effect.fail(new UsageError({ detail: `invalid ports ${JSON.stringify(text)}: ${detail}` }))
  if (remote === "") return invalid("expected REMOTE_PORT or LOCAL_PORT:REMOTE_PORT, such as 8080:80")
  const ports = { local: Number(local ?? remote), remote: Number(remote) }
  if (ports.remote < 1 || Math.max(ports.local, ports.remote) > maxPort) {
    return invalid(`expected ports from 1 to ${maxPort}, or 0 for a free local port`)
  }
  return Effect.succeed(ports)
}

const parseAddress = (text: string): Effect.Effect<string, UsageError> => {
  const address = text === "localhost" ? "127.0.0.1" : text
  return isIP(address) === 0
    ? Effect.fail(new UsageError({ detail: `invalid address ${JSON.stringify(text)}: expected an IP address` }))
    : Effect.succeed(address)
}

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** Whether only this machine reaches the address. */
export const isLoopback = (address: string): boolean => loopback.check(address, isIP(address) === 6 ? "ipv6" : "ipv4")
