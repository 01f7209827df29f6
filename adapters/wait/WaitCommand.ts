/** `task-exec wait`: waits until services have converged. */
import { isatty } from "node:tty"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type ConvergeRequest, watchConvergence } from "../../src/converge/Converge.ts"
import type { ServiceProgress } from "../../src/converge/ServiceProgress.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import type { Channel } from "../command/Channel.ts"
import { connectionFlags, helpFlag } from "../command/CommonFlags.ts"
import { exitCodes } from "../command/ExitCode.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { runSubcommand } from "../command/Subcommand.ts"
import { parseTime, UsageError } from "../command/Usage.ts"
import { stderrScreen } from "../Output.ts"
import { toJson } from "../Printable.ts"
import { LastLine } from "../terminal/LastLine.ts"

/** The flags. */
export const waitFlags = {
  stack: { type: "string", value: "NAME", about: "Wait for all services of this stack" },
  timeout: {
    type: "string",
    value: "TIME",
    default: "10m",
    about: "Fail if the services have not converged after TIME (default 10m, 0 disables)"
  },
  json: { type: "boolean", default: false, about: "Print one JSON document at the end" },
  quiet: { type: "boolean", short: "q", default: false, about: "Print errors only" },
  ...connectionFlags,
  ...helpFlag
} as const satisfies Flags

/** The help of the verb. */
export const help: CommandHelp = {
  usage: ["[OPTIONS] SERVICE...", "[OPTIONS] --stack NAME"],
  about: [
    "Wait until services have converged: their updates are complete, and all of their tasks run the current spec, pass their health check if they have one, and have been up for 5 seconds. Tasks that Swarm does not restart may have completed instead.",
    "A paused update, a rollback, and tasks that Swarm does not start again are errors. The message has Swarm's reason."
  ],
  flags: waitFlags,
  after: [
    exitCodeList(
      ["0", "all services have converged"],
      ["1", "a service cannot converge without help"],
      commonCodes.usage,
      ["124", "timed out"],
      ["125", "the service or stack does not exist, or the engine cannot be reached"]
    )
  ],
  examples: [
    { term: "docker stack deploy -c shop.yaml shop && task-exec wait --stack shop", about: "Deploy a stack and wait" },
    { term: "docker service update -d --image web:2 web && task-exec wait web", about: "Update a service and wait" }
  ]
}

interface WaitArgs {
  readonly which: ConvergeRequest
  readonly json: boolean
  readonly quiet: boolean
}

/** Runs one command line and returns its exit code. */
export const waitCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({
    line: { program, name: "wait", help, flags: waitFlags, argv },
    args: parse,
    run,
    failed: exitCodes.failed
  })

const parse = Effect.fnUntraced(function* ({
  positionals,
  values
}: ReadFlags<typeof waitFlags>): Effect.fn.Return<WaitArgs, UsageError> {
  const { json, quiet, stack, timeout } = values
  if (positionals.length === 0 && stack === undefined) {
    return yield* new UsageError({ detail: "SERVICE is missing: name a service, or use --stack NAME" })
  }
  if (json && quiet) return yield* new UsageError({ detail: "--json and --quiet cannot be combined" })
  const time = yield* parseTime("timeout", timeout)
  return {
    which: {
      services: positionals,
      ...(stack === undefined ? {} : { stack }),
      ...(Duration.isZero(time) ? {} : { timeout: time })
    },
    json,
    quiet
  }
})

const run = Effect.fn("task-exec.wait")(function* ({ json, quiet, which }: WaitArgs, stdout: Channel) {
  const screen = new LastLine(quiet || !isatty(2) ? () => undefined : stderrScreen.write)
  const reported = new Set<string>()
  const see = Effect.fnUntraced(function* (services: ReadonlyArray<ServiceProgress>) {
    for (const one of services) {
      if (!one.isConverged || reported.has(one.id)) continue
      reported.add(one.id)
      if (quiet || json) continue
      screen.clear()
      yield* stdout.line(convergedLine(one))
    }
    screen.show(progressLine(services, process.stderr.columns))
  })
  const last = yield* watchConvergence(which).pipe(
    Stream.tap(see),
    Stream.runLast,
    Effect.ensuring(Effect.sync(() => screen.clear()))
  )
  if (json)
    yield* stdout.line(
      toJson(
        Option.getOrElse(last, () => []),
        2
      )
    )
  return 0
}, Effect.provide(Swarm.layer))

/** `web converged: 3 of 3 tasks ready (shop/web:2)`. */
export const convergedLine = ({ image, ready, service, wanted }: ServiceProgress): string =>
  `${service} converged: ${ready} of ${wanted} tasks ready (${image})`

/** `web 1/3, api 0/2  web.2 on node-3: preparing`, narrower than the terminal. Empty if all services have converged. */
export const progressLine = (services: ReadonlyArray<ServiceProgress>, columns: number): string => {
  const waiting = services.filter(({ isConverged }) => !isConverged)
  const counts = waiting.map(({ ready, service, wanted }) => `${service} ${ready}/${wanted}`).join(", ")
  const [reason = ""] = waiting.flatMap(({ waitingFor }) => waitingFor)
  // Some terminals wrap a line that fills the last column.
  return [counts, reason]
    .join("  ")
    .trim()
    .slice(0, Math.max(0, columns - 1))
}
