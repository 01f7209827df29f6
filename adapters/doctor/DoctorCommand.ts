/** `task-exec doctor`: checks whether task-exec works on a swarm, and prints how to fix what does not. */
import { isatty } from "node:tty"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Swarm } from "../../src/engine/Swarm.ts"
import { inInventory } from "../../src/executor/RunInventory.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { version } from "../../src/Version.ts"
import type { Channel } from "../command/Channel.ts"
import { connectionFlags, helpFlag } from "../command/CommonFlags.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { noOperands, runSubcommand } from "../command/Subcommand.ts"
import { parseTime, UsageError } from "../command/Usage.ts"
import { stderrScreen } from "../Output.ts"
import { toJson } from "../Printable.ts"
import { LastLine } from "../terminal/LastLine.ts"
import { type Check, type Diagnosis, worstOf } from "./Check.ts"
import { type DoctorOptions, diagnose } from "./Diagnosis.ts"
import { colourOf, linesOf, summaryOf } from "./DoctorText.ts"

/** The exit code if a check fails. */
const notWell = 1

/** The flags. */
export const doctorFlags = {
  image: {
    type: "string",
    value: "IMAGE",
    about: "Image of the helper (default: TASK_EXEC_IMAGE, then the configuration file)"
  },
  json: { type: "boolean", default: false, about: "Print one JSON document" },
  "no-network": { type: "boolean", default: false, about: "Do not check the overlay network" },
  quiet: { type: "boolean", short: "q", default: false, about: "Print only failed checks" },
  timeout: {
    type: "string",
    default: "60s",
    value: "TIME",
    about: "Fail the checks of a node after TIME (default 60s)"
  },
  ...connectionFlags,
  ...helpFlag
} satisfies Flags

/** The help of the verb. */
export const help: CommandHelp = {
  usage: ["[OPTIONS]"],
  about: [
    "Check whether task-exec works on this swarm, and print what is wrong and how to fix it. Starts a helper on every node and removes it.",
    {
      _tag: "Items",
      title: "Checks",
      items: [
        { term: "engine, swarm, managers", about: "The connected engine and its swarm" },
        { term: "image", about: "The helper's image" },
        { term: "node, platform", about: "What Swarm reports about each node" },
        {
          term: "helper, version",
          about: "The node pulls the image and runs the helper, and the helper has this version"
        },
        { term: "socket, kill", about: "The helper can open the engine's socket and kill commands" },
        {
          term: "clock",
          about:
            "The node's clock agrees with the caller's. More than 5 s is a warning, more than 60 s fails: leftovers are removed by their deadline"
        },
        {
          term: "overlay",
          about: "The connected engine reaches the helper over an overlay network, which -i, -t and cp need"
        },
        { term: "leftovers", about: "Leftovers of killed runs and of removed agents" }
      ]
    }
  ],
  flags: doctorFlags,
  after: [exitCodeList(["0", "no check fails"], ["1", "a check fails"], commonCodes.usage, commonCodes.interrupted)],
  examples: [
    { term: "task-exec doctor", about: "Check the swarm of the connected engine" },
    { term: "task-exec doctor --context prod -q", about: "Print only what fails in another swarm" }
  ]
}

interface DoctorArgs extends DoctorOptions {
  readonly json: boolean
  readonly quiet: boolean
}

/** Runs one command line and returns its exit code. */
export const doctorCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({
    line: { program, name: "doctor", help, flags: doctorFlags, argv },
    args: parse,
    run,
    failed: notWell
  })

/** A longer timeout is likely a mistake. */
const longest = Duration.hours(1)

const parse = Effect.fnUntraced(function* ({
  positionals,
  values
}: ReadFlags<typeof doctorFlags>): Effect.fn.Return<DoctorArgs, UsageError> {
  yield* noOperands(positionals)
  if (values.image === "") return yield* new UsageError({ detail: "--image needs an image name" })
  const timeout = yield* parseTime("timeout", values.timeout)
  if (Duration.toMillis(timeout) < 1 || Duration.isGreaterThan(timeout, longest)) {
    return yield* new UsageError({
      detail: `invalid timeout ${JSON.stringify(values.timeout)}: expected a duration between 1ms and 1h`
    })
  }
  return {
    image: values.image,
    timeout: Duration.toMillis(timeout),
    network: !values["no-network"],
    json: values.json,
    quiet: values.quiet
  }
})

/** A status line while no check is reported. It is erased at the end. */
const makeWaiting = Effect.fnUntraced(function* (isSeen: boolean) {
  const last = new LastLine(stderrScreen.write)
  const clear = Effect.sync(() => last.clear())
  yield* Effect.addFinalizer(() => clear)
  return { clear, show: (text: string) => Effect.sync(() => (isSeen ? last.show(text) : undefined)) }
})

const run = Effect.fn("task-exec.doctor")(
  function* (args: DoctorArgs, stdout: Channel) {
    const { json, quiet } = args
    const isTerminal = isatty(stdout.fd)
    const colour = isTerminal && (process.env.NO_COLOR ?? "") === ""
    const waiting = yield* makeWaiting(isTerminal && isatty(2) && !json)
    const checks: Array<Check> = []
    const isTold = ({ verdict }: Check) => !quiet || verdict === "fails"
    yield* diagnose(args, {
      report: (check) => {
        checks.push(check)
        if (json || !isTold(check)) return waiting.clear
        return Effect.andThen(waiting.clear, stdout.line(linesOf(check), colour ? colourOf(check) : undefined))
      },
      waitFor: (nodes) =>
        waiting.show(
          nodes === 0 ? "checking for leftovers …" : `checking ${nodes === 1 ? "1 node" : `${nodes} nodes`} …`
        )
    })
    const verdict = worstOf(checks)
    if (json) {
      const document: Diagnosis = { version, verdict, checks: checks.filter(isTold) }
      yield* stdout.line(toJson(document, 2))
    } else if (!quiet) {
      yield* stdout.line(summaryOf(checks))
    }
    return verdict === "fails" ? notWell : 0
  },
  Effect.scoped,
  inInventory,
  Effect.provide(HelperImage.layer),
  Effect.provide(Swarm.layer)
)
