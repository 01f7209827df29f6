/** `swarm-exec doctor`: says whether task-exec works on this swarm and, where it does not, what to do. */
import { isatty } from "node:tty"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Swarm } from "../../src/engine/Swarm.ts"
import { inInventory } from "../../src/executor/RunInventory.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { version } from "../../src/Version.ts"
import type { Channel } from "../command/Channel.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { runSubcommand } from "../command/Subcommand.ts"
import { parseTime, readArgs, UsageError } from "../command/Usage.ts"
import { stderrScreen } from "../Output.ts"
import { toJson } from "../Printable.ts"
import { LastLine } from "../terminal/LastLine.ts"
import { type Check, type Diagnosis, worstOf } from "./Check.ts"
import { type DoctorOptions, diagnose } from "./Diagnosis.ts"
import { colourOf, linesOf, summaryOf } from "./DoctorText.ts"

/** Something is in the way of task-exec. */
const notWell = 1

/** The text that `--help` prints. */
export const help = `Usage: swarm-exec doctor [OPTIONS]

Check whether task-exec works on this swarm, and say what is wrong and what to
do. A helper runs on every node for a moment, and nothing of it stays:

  engine, swarm, managers   The engine that we talk to, and its swarm
  image                     The helper's image
  node, platform            What Swarm says of each node
  helper, version           The node gets the image and runs it
  socket, kill              The helper opens the engine's socket and can end
                            commands
  clock                     The node's clock and this machine's: the node
                            stamps the states of the helper's task between two
                            moments that are known here. More than 5 s apart
                            is a warning; more than 60 s fails, as what killed
                            runs leave is removed by its deadline
  overlay                   The helper can be reached from the engine that we
                            talk to, as -i, -t and cp need it
  leftovers                 What "swarm-exec gc" would remove, and agents' objects
                            without the agents' service

Options:
      --context NAME  The docker context to use
  -H, --host ADDRESS  The manager to talk to, or several with commas
                      (default: DOCKER_HOST, then the context)
      --image IMAGE   Image of the helper (default: TASK_EXEC_IMAGE)
      --json          One JSON document
      --no-network    Leave out the overlay network
  -q, --quiet         Only what fails
      --timeout TIME  For each helper to run or to be reached (default 60s)
      --help

Exit code: 0 nothing fails; 1 something does; 2 wrong usage;
130/143/129 interrupted.
`

interface DoctorArgs extends DoctorOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly engine: EngineChoice
  readonly help: boolean
}

/** Runs one command line and gives its exit code. */
export const doctorCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  runSubcommand({ name: "doctor", help, args: parse(argv), run, failed: notWell })

/** Above it a mistake is likelier than patience. */
const longest = Duration.hours(1)

const parse = Effect.fnUntraced(function* (argv: ReadonlyArray<string>): Effect.fn.Return<DoctorArgs, UsageError> {
  const { values } = yield* readArgs({
    args: [...argv],
    options: {
      context: { type: "string" },
      host: { type: "string", short: "H" },
      image: { type: "string" },
      json: { type: "boolean", default: false },
      "no-network": { type: "boolean", default: false },
      quiet: { type: "boolean", short: "q", default: false },
      timeout: { type: "string", default: "60s" },
      help: { type: "boolean", short: "h", default: false }
    },
    strict: true,
    allowPositionals: false
  })
  if (values.image === "") return yield* new UsageError({ detail: "--image takes the name of an image" })
  const timeout = yield* parseTime("--timeout", values.timeout)
  if (Duration.toMillis(timeout) < 1 || Duration.isGreaterThan(timeout, longest)) {
    return yield* new UsageError({ detail: `--timeout ${values.timeout}: use a time of up to 1h` })
  }
  return {
    image: values.image,
    timeout: Duration.toMillis(timeout),
    network: !values["no-network"],
    json: values.json,
    quiet: values.quiet,
    engine: yield* chooseEngine(values.host, values.context),
    help: values.help
  }
})

/** A word on the terminal while nothing else is to be told; gone when there is, and at the end. */
const makeWaiting = Effect.fnUntraced(function* (isSeen: boolean) {
  const last = new LastLine(stderrScreen.write)
  const clear = Effect.sync(() => last.clear())
  yield* Effect.addFinalizer(() => clear)
  return { clear, show: (text: string) => Effect.sync(() => (isSeen ? last.show(text) : undefined)) }
})

const run = Effect.fn("swarm-exec.doctor")(
  function* (args: DoctorArgs, stdout: Channel) {
    const { json, quiet } = args
    const isTerminal = isatty(stdout.fd)
    const colour = isTerminal && (process.env.NO_COLOR ?? "") === ""
    const waiting = yield* makeWaiting(isTerminal && isatty(2) && !json)
    const checks: Array<Check> = []
    const isTold = ({ verdict }: Check) => !quiet || verdict === "fails"
    yield* diagnose(args, {
      tell: (check) => {
        checks.push(check)
        if (json || !isTold(check)) return waiting.clear
        return Effect.andThen(waiting.clear, stdout.line(linesOf(check), colour ? colourOf(check) : undefined))
      },
      waitFor: (nodes) => waiting.show(nodes === 0 ? "looking for leftovers …" : `nodes to look at: ${nodes} …`)
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
