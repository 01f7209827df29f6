/** What `task-exec debug` says about itself. It is read and run as `exec` is. */
import type { Flags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { execFlags } from "./Args.ts"
import { defaultToolbox, toolboxVariable } from "./Toolbox.ts"

const { detach: _, "detach-keys": __, ...shared } = execFlags

/** The flags. */
export const debugFlags = {
  ...shared,
  image: {
    type: "string",
    value: "IMAGE",
    group: "Command",
    about: `Image of the toolbox (default: ${toolboxVariable}, then ${defaultToolbox})`
  }
} as const satisfies Flags

export const help: CommandHelp = {
  usage: ["[OPTIONS] TARGET [COMMAND [ARG...]]"],
  about: [
    "Run a command in a toolbox: a new container beside the container of a Swarm task, on any node. The toolbox shares the task's processes, network and volumes, so it works for images without a shell. The task's root file system is at /proc/1/root.",
    "The command runs as root, with the capability SYS_PTRACE. When it has ended, the toolbox is removed. With -t and no COMMAND, task-exec opens the toolbox's shell. The label task-exec.allow must allow debug, where a service has it."
  ],
  flags: debugFlags,
  after: ["TARGET, TIME and exit codes are those of task-exec exec."],
  examples: [
    { term: "task-exec debug -it web.2", about: "Open a shell beside a task" },
    { term: "task-exec debug web.2 ls /proc/1/root/etc", about: "List files of an image without ls" },
    { term: "task-exec debug --image nicolaka/netshoot -it web.2", about: "Use another toolbox" },
    { term: "task-exec debug --all web netstat -tn", about: "Show the connections of every task" }
  ]
}
