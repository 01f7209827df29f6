/** `task-exec logs`: prints the logs of tasks. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { parseLogTime } from "../../src/request/LogTime.ts"
import type { Flags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { UsageError } from "../command/Usage.ts"
import { execFlags } from "./ExecFlags.ts"
import { execVerb, flagsOf, withoutCommand } from "./ExecVerb.ts"

const group = "Log"

const flags = {
  follow: { type: "boolean", short: "f", group, about: "Continue with what the container writes, until it ends" },
  tail: { type: "string", short: "n", value: "N", group, about: "Only the last N lines (default: all)" },
  since: {
    type: "string",
    value: "TIME",
    group,
    about: "Only lines since TIME: 10m (ago), 2026-01-31T08:30:00Z, or Unix seconds"
  },
  until: { type: "string", value: "TIME", group, about: "Only lines until TIME" },
  timestamps: { type: "boolean", short: "t", group, about: "Print the time of each line before it" }
} as const satisfies Flags

/** The flags of `exec` that this verb does not have, each with the reason for the error message. */
const lacks = {
  ...withoutCommand,
  timeout: "use --until",
  deadline: "use --until",
  wait: "a log can be read as soon as the task has a container"
}

const help: CommandHelp = {
  usage: ["[OPTIONS] TARGET"],
  about: [
    "Print the log of a Swarm task, or of many, from the engines of their nodes: complete, and each stream in order. stdout and stderr stay apart.",
    "Without a running task, TARGET is the newest one there that had a container, so the log of a task that crashed can be read. An ID also names a task that Swarm has replaced. With -f and --follow-updates, task-exec continues with the next task of the slot when a container ends, on any node. The label task-exec.allow must allow logs, where a service has it."
  ],
  flags: {
    ...flagsOf(flags, lacks),
    "follow-updates": {
      ...execFlags["follow-updates"],
      about: "Follow the log of the next task when a container ends (implies -f)"
    }
  },
  after: [
    "Options may also stand after TARGET. With --output json, each line of a log is an object with task, node, event (stdout or stderr), data and time.",
    exitCodeList(
      commonCodes.usage,
      ["0", "all of the log was printed"],
      ["125", "a log could not be read, or not to its end"],
      commonCodes.interrupted
    )
  ],
  examples: [
    { term: "task-exec logs web.2", about: "Print the log of slot 2 of a service" },
    { term: "task-exec logs -f -n 20 --all web", about: "Follow every task of a service" },
    { term: "task-exec logs --since 10m -t --stack shop", about: "Print the last 10 minutes of a stack, with times" },
    { term: "task-exec logs -f --follow-updates web.2", about: "Follow a slot through deployments and crashes" },
    { term: "task-exec logs --all web --filter state=failed", about: "Print the logs of tasks that failed" }
  ]
}

/** The verb. */
export const logs = execVerb({
  name: "logs",
  help,
  flags,
  lacks,
  operands: ["TARGET"],
  single: ["follow-updates"],
  requestOf: Effect.fnUntraced(function* ({ values, words }, { since, tail, timestamps = false, until, ...own }) {
    const [extra] = words
    if (extra !== undefined) return yield* new UsageError({ detail: `unexpected argument ${JSON.stringify(extra)}` })
    const follow = own.follow === true || values["follow-updates"] === true
    const form = (["gather", "diff"] as const).find((name) => values[name] === true)
    if (follow && form !== undefined) {
      return yield* new UsageError({ detail: `--${form} cannot be combined with --follow: it prints at the end` })
    }
    // `-1` is docker's and kubectl's default: all lines.
    const lines = tail === undefined || tail === "all" || tail === "-1" ? undefined : yield* linesOf(tail)
    return {
      command: [],
      action: {
        _tag: "Logs",
        follow,
        // Each JSON object has the time of its line.
        timestamps: timestamps || values.output === "json",
        ...(lines === undefined ? {} : { tail: lines }),
        ...(since === undefined ? {} : { since: yield* timeOf("since", since) }),
        ...(until === undefined ? {} : { until: yield* timeOf("until", until) })
      }
    }
  })
})

const linesOf = (text: string): Effect.Effect<number, UsageError> =>
  /^\d{1,15}$/.test(text)
    ? Effect.succeed(Number(text))
    : Effect.fail(
        new UsageError({ detail: `invalid --tail ${JSON.stringify(text)}: expected a number of lines, or all` })
      )

/** Parses a time here, so that the error names the option. */
const timeOf = Effect.fnUntraced(function* (name: string, text: string): Effect.fn.Return<string, UsageError> {
  const parsed = parseLogTime(text, yield* Clock.currentTimeMillis)
  if (Result.isSuccess(parsed)) return parsed.success
  return yield* new UsageError({ detail: `--${name}: ${parsed.failure.message}` })
})
