/** The command line of a plugin action, and the text that tells how to use `swarm-exec`. */

import { type ParseArgsOptionsConfig, parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { version } from "../../src/Version.ts"

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

const options = {
  debug: { type: "boolean" },
  compact: { type: "boolean", short: "c" },
  stdout: { type: "string" },
  stderr: { type: "string" },
  help: { type: "boolean", short: "h" }
} satisfies ParseArgsOptionsConfig

/** What `--help` tells, on stderr as the protocol of plugins has it. */
export const usage = `Usage: swarm-exec [OPTIONS] ACTION [JSON]
       swarm-exec task-exec [OPTIONS] TARGET COMMAND [ARG...]
       swarm-exec exec CONTAINER COMMAND [ARG...]
       swarm-exec cp [OPTIONS] SOURCE DESTINATION
       swarm-exec agent up|status|down
       swarm-exec doctor [OPTIONS]
       swarm-exec gc [OPTIONS]
       swarm-exec install-plugin
       swarm-exec completion bash|zsh|fish
       swarm-exec --version

Skopos plugin (version ${version}): runs a command in the container of a Swarm task, on
whichever node it is.

ACTION reads one JSON object from stdin, or takes it from the command line, and
prints one on stdout. It exits with 0, or with 2 and the reason on stderr.

  inst_exec              Run a command. It succeeds if the command exits with 0;
                         what the command writes goes to stderr.
  preflight, postflight  Do nothing

Input of inst_exec (other keys are passed through):
  inst      list with one object, whose "id" is the ID of the task
  command   string that is split into words as a shell would, or list of words
  timeout   seconds until the command is ended (default 300)
  image     image of the helper (default: TASK_EXEC_IMAGE)

Options, before or after ACTION:
  -c, --compact      JSON on one line
      --debug        Tell every step on stderr
      --stdout FILE  Write normal output to a file
      --stderr FILE  Write error output to a file

task-exec runs a command in any task (its options: swarm-exec task-exec -h),
exec in any container of the connected engine. Both pass on the command's output
and exit code. cp copies files between a task and here (swarm-exec cp -h).
agent deploys resident agents, by which
other nodes are reached without a helper (swarm-exec agent -h).
doctor checks whether all of this works on a swarm, and says what to do where
it does not (swarm-exec doctor -h). gc removes what callers left that were
killed (swarm-exec gc -h). install-plugin makes it a plugin of the docker
client: docker taskexec. completion prints what makes a shell complete
task-exec's command lines.
`

/** What was asked for is to be told how. */
export const help = "Help"

/** Reads a command line; options may stand anywhere. */
export const parsePluginArgs = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>
): Effect.fn.Return<PluginArgs | typeof help, WrongUsage> {
  const { positionals, values } = yield* Effect.try({
    try: () => parseArgs({ args: [...argv], options, allowPositionals: true }),
    catch: (error) => new WrongUsage({ detail: explain(error) })
  })
  const [action, ...json] = positionals
  if (values.help === true) return help
  if (action === undefined) return yield* new WrongUsage({ detail: "which action? it is missing" })
  return {
    action,
    json: json.length === 0 ? undefined : json.join(" "),
    debug: values.debug ?? false,
    compact: values.compact ?? false,
    stdout: values.stdout,
    stderr: values.stderr
  }
})

const explain = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  const unknown = /^Unknown option '([^']+)'/.exec(text)?.[1]
  return unknown === undefined ? (text.split(/\.\s/)[0] ?? text) : `unknown option ${unknown}`
}
