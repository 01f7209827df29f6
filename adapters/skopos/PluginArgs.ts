/** The command line of a plugin action, and the help of `swarm-exec`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { version } from "../../src/Version.ts"
import { type Flags, readFlags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"

/** The command line is invalid. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}. See 'swarm-exec --help'.`
  }
}

/** A parsed command line. */
export interface PluginArgs {
  readonly action: string
  /** The input on the command line. */
  readonly json: string | undefined
  /** Log every step, and errors with their causes. */
  readonly debug: boolean
  /** JSON on one line. */
  readonly compact: boolean
  /** Files that replace stdout and stderr. */
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

/** The help. The plugin protocol requires it on stderr. */
export const pluginHelp: CommandHelp = {
  usage: [
    "[OPTIONS] ACTION [JSON]",
    "task-exec [OPTIONS] TARGET COMMAND [ARG...]",
    "exec CONTAINER COMMAND [ARG...]",
    "--version"
  ],
  about: [
    `Skopos plugin (version ${version}) that runs a command in the container of a Swarm task, on any node. Outside of Skopos, use task-exec (see task-exec --help).`,
    "ACTION reads a JSON object from stdin or from the command line, and prints one on stdout. The exit code is 0; or 2, with the reason on stderr.",
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
        { term: "inst", about: 'list with one object that has the ID of the task as "id"' },
        { term: "command", about: "string, which is split into words like a shell does, or list of words" },
        { term: "timeout", about: "seconds after which the command is killed (default 300)" },
        { term: "image", about: "image of the helper (default: TASK_EXEC_IMAGE)" }
      ]
    }
  ],
  flags,
  after: [
    "swarm-exec task-exec is the same as task-exec. swarm-exec exec runs a command in any container of the connected engine. Both forward the command's output and exit code."
  ],
  examples: []
}

/** The command line asks for help. */
export const help = "Help"

/** Reads a command line. Options may stand anywhere. */
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
