/** The command line of a plugin action, and the help of `swarm-exec`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { version } from "../../src/Version.ts"
import { type Flags, readFlags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"

/** The command line is wrong. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail} (see swarm-exec --help)`
  }
}

/** What a command line asks of the plugin. */
export interface PluginArgs {
  readonly action: string
  /** The input, where it is on the command line. */
  readonly json: string | undefined
  /** Every step on stderr, and whole causes for errors. */
  readonly debug: boolean
  /** JSON on one line. */
  readonly compact: boolean
  /** Files in place of stdout and stderr. */
  readonly stdout: string | undefined
  readonly stderr: string | undefined
}

const flags = {
  compact: { type: "boolean", short: "c", about: "Print JSON on one line" },
  debug: { type: "boolean", about: "Log every step to stderr" },
  stdout: { type: "string", value: "FILE", about: "Write normal output to a file" },
  stderr: { type: "string", value: "FILE", about: "Write error output to a file" },
  help: { type: "boolean", short: "h" }
} as const satisfies Flags

/** What `--help` prints, on stderr, as the protocol of plugins has it. */
export const pluginHelp: CommandHelp = {
  usage: [
    "[OPTIONS] ACTION [JSON]",
    "task-exec [OPTIONS] TARGET COMMAND [ARG...]",
    "exec CONTAINER COMMAND [ARG...]",
    "--version"
  ],
  about: [
    `Skopos plugin (version ${version}) that runs a command in the container of a Swarm task, on any node. Outside of Skopos, use task-exec: see task-exec --help.`,
    "ACTION reads one JSON object from stdin or from the command line and prints one on stdout. It exits with 0, or with 2 and the reason on stderr.",
    {
      _tag: "Items",
      title: "Actions",
      items: [
        {
          term: "inst_exec",
          about: "Run a command. Succeeds if the command exits with 0. The command's output goes to stderr"
        },
        { term: "preflight, postflight", about: "Do nothing" }
      ]
    },
    {
      _tag: "Items",
      title: "Input of inst_exec (other keys are passed through)",
      items: [
        { term: "inst", about: 'list with one object, whose "id" is the ID of the task' },
        { term: "command", about: "string that is split into words as a shell would, or list of words" },
        { term: "timeout", about: "seconds until the command is killed (default 300)" },
        { term: "image", about: "image of the helper (default: TASK_EXEC_IMAGE)" }
      ]
    }
  ],
  flags,
  after: [
    "swarm-exec task-exec is the command task-exec. swarm-exec exec runs a command in any container of the connected engine. Both pass on the command's output and exit code."
  ],
  examples: []
}

/** The command line asks for help. */
export const help = "Help"

/** Reads a command line; options may stand anywhere. */
export const parsePluginArgs = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>
): Effect.fn.Return<PluginArgs | typeof help, WrongUsage> {
  const { positionals, values } = yield* Effect.mapError(
    readFlags(argv, flags),
    ({ detail }) => new WrongUsage({ detail })
  )
  const [action, ...json] = positionals
  if (values.help === true) return help
  if (action === undefined) return yield* new WrongUsage({ detail: "ACTION is missing" })
  return {
    action,
    json: json.length === 0 ? undefined : json.join(" "),
    debug: values.debug ?? false,
    compact: values.compact ?? false,
    stdout: values.stdout,
    stderr: values.stderr
  }
})
