/** `task-exec debug`: runs a command in a toolbox. */
import * as Effect from "effect/Effect"
import type { Flags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { execVerb, flagsOf } from "./ExecVerb.ts"
import { commandOf } from "./Operands.ts"

/** The default image of toolboxes. It is small, and has a shell, `ps`, `ip`, `nslookup`, `wget` and `vi`. */
const defaultToolbox = "busybox:1"

/** Environment variable with the image of toolboxes. */
export const toolboxVariable = "TASK_EXEC_DEBUG_IMAGE"

const flags = {
  image: {
    type: "string",
    value: "IMAGE",
    group: "Command",
    about: `Image of the toolbox (default: ${toolboxVariable}, then ${defaultToolbox})`
  }
} as const satisfies Flags

const removed = "the toolbox is removed when task-exec ends"
/** The flags of `exec` that this verb does not have, each with the reason for the error message. */
const lacks = { detach: removed, "detach-keys": removed }

const help: CommandHelp = {
  usage: ["[OPTIONS] TARGET [COMMAND [ARG...]]"],
  about: [
    "Run a command in a toolbox: a new container beside the container of a Swarm task, on any node. The toolbox shares the task's processes, network and volumes, so it works for images without a shell. The task's root file system is at /proc/1/root.",
    "The command runs as root, with the capability SYS_PTRACE. When it has ended, the toolbox is removed. With -t and no COMMAND, task-exec opens the toolbox's shell. The label task-exec.allow must allow debug, where a service has it."
  ],
  flags: flagsOf(flags, lacks),
  after: ["TARGET, TIME and exit codes are those of task-exec exec."],
  examples: [
    { term: "task-exec debug -it web.2", about: "Open a shell beside a task" },
    { term: "task-exec debug web.2 ls /proc/1/root/etc", about: "List files of an image without ls" },
    { term: "task-exec debug --image nicolaka/netshoot -it web.2", about: "Use another toolbox" },
    { term: "task-exec debug --all web netstat -tn", about: "Show the connections of every task" }
  ]
}

/** The verb. */
export const debug = execVerb({
  name: "debug",
  help,
  flags,
  lacks,
  operands: ["TARGET", "COMMAND"],
  requestOf: Effect.fnUntraced(function* (line, { image }) {
    const { environment, target } = line
    return {
      command: yield* commandOf(line),
      toolbox: { image: image ?? (environment[toolboxVariable] || defaultToolbox) },
      ...(target === undefined ? {} : { env: { PS1: promptFor(target) } })
    }
  })
})

/** The prompt of a shell in a toolbox. It names the target, so that the shell is not mistaken for one in the task's own container. */
const promptFor = (target: string): string => `debug ${target.replace(/[^\w./@-]/g, "?")}:\\w\\$ `
