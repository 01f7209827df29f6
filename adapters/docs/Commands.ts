/** What the reference and the manual pages are about: the commands, with their own help. */
import { help as agentHelp } from "../agent/AgentCommand.ts"
import { help as completionHelp } from "../cli/Completion.ts"
import { rootHelp } from "../cli/TaskExecCommand.ts"
import { exitCodes } from "../command/ExitCode.ts"
import type { CommandHelp, Item } from "../command/Help.ts"
import { cpHelp } from "../cp/CpArgs.ts"
import { help as installPluginHelp } from "../docker/InstallPlugin.ts"
import { help as doctorHelp } from "../doctor/DoctorCommand.ts"
import { help as gcHelp } from "../gc/GcCommand.ts"
import { help as lsHelp } from "../ls/LsCommand.ts"
import { pluginHelp } from "../skopos/PluginArgs.ts"
import { help as waitHelp } from "../wait/WaitCommand.ts"

/** A command of the package. */
export interface Command {
  readonly name: string
  /** What it does, as a manual page's NAME says it. */
  readonly summary: string
  readonly help: CommandHelp
  readonly subcommands: ReadonlyArray<Subcommand>
  readonly codes: ReadonlyArray<Item>
}

/** A command within another one. */
export interface Subcommand {
  readonly name: string
  readonly help: CommandHelp
}

/** Of `task-exec`. */
const codes: ReadonlyArray<Item> = [
  { term: "0", about: "the engine reported that the command ended with 0, after all of its output arrived" },
  { term: "1-255", about: "the command's own code; 137: killed by signal 9, as the engine says" },
  { term: `${exitCodes.usage}`, about: "wrong usage; nothing was done" },
  { term: `${exitCodes.timedOut}`, about: "timed out, and killed" },
  {
    term: `${exitCodes.failed}`,
    about: "task-exec could not do it: no such task, not a manager, helper failed, outcome unknown, …"
  },
  { term: `${exitCodes.notStarted}`, about: "the command could not be started" },
  { term: "129, 130, 143", about: "interrupted by SIGHUP, SIGINT, SIGTERM, and the command did not say otherwise" },
  { term: `${exitCodes.outputClosed}`, about: "nobody reads the output any more; the command was ended" }
]

/** All of them. */
export const commands: ReadonlyArray<Command> = [
  {
    name: "task-exec",
    summary: "run a command in the container of any Docker Swarm task, on any node",
    help: rootHelp,
    subcommands: [
      { name: "cp", help: cpHelp },
      { name: "ls", help: lsHelp },
      { name: "wait", help: waitHelp },
      { name: "doctor", help: doctorHelp },
      { name: "agent", help: agentHelp },
      { name: "gc", help: gcHelp },
      { name: "completion", help: completionHelp },
      { name: "install-plugin", help: installPluginHelp }
    ],
    codes
  },
  {
    name: "swarm-exec",
    summary: "the Skopos plugin of task-exec",
    help: pluginHelp,
    subcommands: [],
    codes: [
      { term: "ACTION", about: "0, or 2 with the reason on stderr" },
      { term: "task-exec, exec", about: "the command's own; others as task-exec(1) says" }
    ]
  }
]

/** What may be named, and how. */
export const targets: ReadonlyArray<Item> = [
  { term: "web", about: "the service's only running task; several are an error that lists them" },
  { term: "web.2", about: "the task in slot 2 of the service" },
  {
    term: "web@node-3",
    about: "the service's task on that node: its host name, its ID, or a unique prefix of its ID"
  },
  {
    term: "web.x7u2gmggdhj85528r1nre2q2n",
    about:
      "a task of a global service, by the name that docker service ps shows: the ID of its node stands for the slot"
  },
  { term: "k3x8q1", about: "a task ID or a container ID, or the unique beginning of one" },
  { term: "web.2.k3x8q1…", about: "a task's container, by its name" },
  { term: "service/…, task/…, container/…", about: "one kind only, where a name could mean two things" },
  { term: "web.1,db.1", about: "several tasks, with commas" }
]

/** The variables that are read. */
export const variables: ReadonlyArray<Item> = [
  {
    term: "DOCKER_HOST",
    about: "the manager to talk to, or several with commas between: unix://, tcp://, ssh:// (default: the context)"
  },
  { term: "DOCKER_TLS_VERIFY", about: "not empty: TLS, with the server's certificate checked" },
  { term: "DOCKER_CERT_PATH", about: "folder of ca.pem, cert.pem and key.pem (default: the folder of DOCKER_CONFIG)" },
  { term: "DOCKER_CONTEXT", about: "the docker context to use, where DOCKER_HOST is not set" },
  { term: "DOCKER_CONFIG", about: "folder of the docker client: contexts, logins, plugins (default: ~/.docker)" },
  {
    term: "TASK_EXEC_IMAGE",
    about:
      "image of the helper (default: the image in the configuration file; then, in a container, that container's own; then the image published with this version)"
  },
  {
    term: "XDG_CONFIG_HOME",
    about:
      'folder of the configuration file task-exec/config.json (default: ~/.config). It names the helper\'s image, for one docker context or for all: {"image": "IMAGE", "contexts": {"prod": {"image": "IMAGE"}}}'
  },
  {
    term: "TASK_EXEC_DEBUG_FILE",
    about: "every step, as --debug tells it, is appended to this file, with the time and the process ID"
  },
  { term: "TASK_EXEC_AUDIT_FILE", about: "a line of JSON for each run and each copy is appended to this file" },
  { term: "TASK_EXEC_DENY_DEFAULT", about: "true: nothing is run in a task without the label task-exec.allow" },
  { term: "NO_COLOR", about: "not empty: no colours" },
  {
    term: "NODE_COMPILE_CACHE",
    about: "folder for the compiled program, for a quicker start (default: task-exec in XDG_CACHE_HOME or ~/.cache)"
  },
  {
    term: "OTEL_EXPORTER_OTLP_ENDPOINT",
    about: "task-exec sends the spans of its run there: OTLP over HTTP, as JSON, with /v1/traces added"
  },
  { term: "OTEL_EXPORTER_OTLP_HEADERS", about: "headers for the collector: name=value, with commas between" },
  { term: "OTEL_SERVICE_NAME", about: "the service's name in the spans (default: task-exec)" },
  { term: "OTEL_RESOURCE_ATTRIBUTES", about: "more of the resource's attributes: name=value, with commas between" },
  { term: "OTEL_SDK_DISABLED", about: "true: no spans are sent" }
]

/** Variables that task-exec itself sets, or that are not for users. */
export const internalVariables: ReadonlyArray<string> = [
  "TASK_EXEC_RUN",
  "TASK_EXEC_AGENT",
  "TASK_EXEC_GUARD_ENDPOINTS",
  "TASK_EXEC_HELPER_HOSTNAME",
  "TASK_EXEC_HELPER_NODE",
  "TASK_EXEC_HELPER_TASK",
  "TASK_EXEC_BASE",
  "DOCKER_CLI_PLUGIN_SOCKET"
]
