/** `task-exec signal`: sends a signal to the main processes of tasks. */
import * as Effect from "effect/Effect"
import { containerSignal } from "../../src/request/ContainerSignal.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { UsageError } from "../command/Usage.ts"
import { execVerb, flagsOf, withoutCommand } from "./ExecVerb.ts"
import { missing } from "./Operands.ts"

const atOnce = "the signal is sent at once"
/** The flags of `exec` that this verb does not have, each with the reason for the error message. */
const lacks = {
  ...withoutCommand,
  timeout: atOnce,
  deadline: atOnce,
  "follow-updates": "a signal is for the task that runs",
  wait: atOnce
}

const help: CommandHelp = {
  usage: ["[OPTIONS] SIGNAL TARGET"],
  about: [
    "Send a signal to the main process of a Swarm task's container, on any node. SIGNAL is a name such as HUP or SIGHUP, or a number. Child processes get no signal.",
    "A signal that ends the main process, such as TERM or KILL, ends the task, and Swarm replaces it by the restart policy of the service. The label task-exec.allow must allow signal, or signal with its full name (signal SIGHUP), where a service has it."
  ],
  flags: flagsOf({}, lacks),
  after: [
    "Options may stand before and after SIGNAL and TARGET. Nothing is printed for a single task.",
    exitCodeList(
      ["0", "the engine has sent the signal"],
      commonCodes.usage,
      ["125", "the signal could not be sent"],
      commonCodes.interrupted
    )
  ],
  examples: [
    { term: "task-exec signal HUP web.2", about: "Make a task read its configuration again" },
    { term: "task-exec signal USR1 --all web", about: "Signal every task of a service" }
  ]
}

/** The verb. */
export const signal = execVerb({
  name: "signal",
  help,
  flags: {},
  lacks,
  operands: ["SIGNAL", "TARGET"],
  requestOf: Effect.fnUntraced(function* ({ list, words: [name, extra] }) {
    if (extra !== undefined) return yield* new UsageError({ detail: `unexpected argument ${JSON.stringify(extra)}` })
    if (name === undefined && list) return { command: ["signal"] }
    const found = name === undefined ? undefined : containerSignal(name)
    if (found !== undefined) return { command: [], action: { _tag: "Signal", signal: found } }
    if (name === undefined) return yield* missing("SIGNAL")
    return yield* new UsageError({
      detail: `invalid signal ${JSON.stringify(name)}: expected a name such as HUP, or a number from 1 to 64`
    })
  })
})
