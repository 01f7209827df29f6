/** `task-exec exec`: its help, and its request. */
import * as Effect from "effect/Effect"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { execFlags } from "./ExecFlags.ts"
import { execVerb } from "./ExecVerb.ts"
import { commandOf } from "./Operands.ts"

/** The help of the command. */
export const help: CommandHelp = {
  usage: ["[OPTIONS] TARGET [COMMAND [ARG...]]"],
  about: [
    "Run a command in the container of a Swarm task, on any node. With -t and no COMMAND, task-exec opens the container's shell.",
    "TARGET is a service with one running task (web), a slot (web.2), a service's task on a node (web@node-3), or a unique prefix of a task ID or container ID. Options go before TARGET. Everything after TARGET belongs to the command."
  ],
  flags: execFlags,
  after: [
    "TIME is a number of seconds, or a duration such as 500ms, 90s or 1h30m.",
    exitCodeList(
      ["0-255", "the command's own code"],
      commonCodes.usage,
      ["124", "the command timed out and was killed"],
      ["125", "task-exec failed"],
      ["126", "the command could not be started"],
      commonCodes.interrupted
    ),
    "With many tasks, the exit code is the largest of their codes. --output json tells the command's own codes from those of task-exec."
  ],
  examples: [
    { term: "task-exec web.2 nginx -t", about: "Run a command in slot 2 of a service" },
    { term: "task-exec -it web.2", about: "Open a shell" },
    { term: "task-exec --all web nginx -s reload", about: "Run a command in every task of a service" },
    { term: "task-exec -i db.1 psql < dump.sql", about: "Forward stdin" },
    { term: "task-exec --wait 5m migrate ./migrate up", about: "Wait up to 5 minutes for a healthy task" }
  ]
}

/** The verb: `task-exec exec`, and `task-exec` without a verb. */
export const exec = execVerb({
  name: "exec",
  help,
  flags: {},
  lacks: {},
  operands: ["TARGET", "COMMAND"],
  requestOf: (line) => Effect.map(commandOf(line), (command) => ({ command }))
})
