/** The commands of the package with their help, for the reference and the manual pages. */
import { help as agentHelp } from "../agent/AgentCommand.ts"
import { help as completionHelp } from "../cli/Completion.ts"
import { debug } from "../cli/Debug.ts"
import { logs } from "../cli/Logs.ts"
import { run } from "../cli/Run.ts"
import { signal } from "../cli/Signal.ts"
import { rootHelp } from "../cli/TaskExecCommand.ts"
import { exitCodes } from "../command/ExitCode.ts"
import type { CommandHelp, Item } from "../command/Help.ts"
import { cpHelp } from "../cp/CpArgs.ts"
import { help as installPluginHelp } from "../docker/InstallPlugin.ts"
import { help as doctorHelp } from "../doctor/DoctorCommand.ts"
import { forwardHelp } from "../forward/ForwardArgs.ts"
import { help as gcHelp } from "../gc/GcCommand.ts"
import { help as lsHelp } from "../ls/LsCommand.ts"
import { pluginHelp } from "../skopos/PluginArgs.ts"
import { help as waitHelp } from "../wait/WaitCommand.ts"

/** A command of the package. */
export interface Command {
  readonly name: string
  /** The description in the manual page's NAME section. */
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

/** The exit codes of `task-exec`. */
const codes: ReadonlyArray<Item> = [
  { term: "0", about: "the command exited with 0, as the engine reported, and all of its output arrived" },
  { term: "1-255", about: "the command's own code (137: killed by signal 9)" },
  { term: `${exitCodes.usage}`, about: "wrong usage; nothing ran" },
  { term: `${exitCodes.timedOut}`, about: "the command timed out and was killed" },
  {
    term: `${exitCodes.failed}`,
    about: "task-exec failed: no such task, not a manager, the helper failed, the outcome is unknown, …"
  },
  { term: `${exitCodes.notStarted}`, about: "the command could not be started" },
  {
    term: "129, 130, 143",
    about: "interrupted by SIGHUP, SIGINT or SIGTERM, unless the command exited with a code of its own"
  },
  { term: `${exitCodes.outputClosed}`, about: "the reader of the output closed the pipe; the command was ended" }
]

/** All commands. */
export const commands: ReadonlyArray<Command> = [
  {
    name: "task-exec",
    summary: "run a command in the container of any Docker Swarm task, on any node",
    help: rootHelp,
    subcommands: [
      { name: "debug", help: debug.help },
      { name: "run", help: run.help },
      { name: "logs", help: logs.help },
      { name: "signal", help: signal.help },
      { name: "cp", help: cpHelp },
      { name: "port-forward", help: forwardHelp },
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
      { term: "task-exec, exec", about: "the command's own, or one of task-exec; see task-exec(1)" }
    ]
  }
]

/** The forms of a target. */
export const targets: ReadonlyArray<Item> = [
  { term: "web", about: "the only running task of the service; if there are several, an error lists them" },
  { term: "web.2", about: "the task in slot 2 of the service" },
  {
    term: "web@node-3",
    about: "the service's task on that node: its host name, its ID, or a unique prefix of its ID"
  },
  {
    term: "web.x7u2gmggdhj85528r1nre2q2n",
    about:
      "a task of a global service, by its name in docker service ps, which has the ID of the node in place of a slot"
  },
  { term: "k3x8q1", about: "a task ID or container ID, or a unique prefix of one" },
  { term: "web.2.k3x8q1…", about: "a task, by the name of its container" },
  { term: "service/…, task/…, container/…", about: "only a service, only a task, or only a container of that name" },
  { term: "web.1,db.1", about: "several tasks, separated by commas" }
]

/** The environment variables that task-exec reads. */
export const variables: ReadonlyArray<Item> = [
  {
    term: "DOCKER_HOST",
    about:
      "the manager to connect to, or several, separated by commas: unix://, tcp://, ssh:// (default: the docker context)"
  },
  { term: "DOCKER_TLS_VERIFY", about: "not empty: use TLS and verify the server's certificate" },
  { term: "DOCKER_CERT_PATH", about: "directory of ca.pem, cert.pem and key.pem (default: DOCKER_CONFIG)" },
  { term: "DOCKER_CONTEXT", about: "the docker context to use if DOCKER_HOST is not set" },
  {
    term: "DOCKER_CONFIG",
    about: "configuration directory of the docker CLI: contexts, logins, plugins (default: ~/.docker)"
  },
  {
    term: "TASK_EXEC_IMAGE",
    about:
      "image of the helper (default: the image in the configuration file; then, in a container of task-exec's image, that image; then the image published with this version)"
  },
  {
    term: "XDG_CONFIG_HOME",
    about:
      'directory of the configuration file task-exec/config.json (default: ~/.config). It names the helper\'s image, for one docker context or for all: {"image": "IMAGE", "contexts": {"prod": {"image": "IMAGE"}}}'
  },
  {
    term: "TASK_EXEC_DEBUG_FILE",
    about: "append the messages of --debug to this file, with time and process ID"
  },
  { term: "TASK_EXEC_DEBUG_IMAGE", about: "image of the toolboxes of task-exec debug" },
  { term: "TASK_EXEC_AUDIT_FILE", about: "append one JSON line per run and per copy to this file" },
  { term: "TASK_EXEC_DENY_DEFAULT", about: "true: refuse to run commands in tasks without the label task-exec.allow" },
  { term: "NO_COLOR", about: "not empty: no colors" },
  {
    term: "NODE_COMPILE_CACHE",
    about: "directory for the compiled program, for a faster start (default: task-exec in XDG_CACHE_HOME or ~/.cache)"
  },
  {
    term: "OTEL_EXPORTER_OTLP_ENDPOINT",
    about: "send the spans of each run to this collector: OTLP over HTTP, as JSON, to /v1/traces"
  },
  { term: "OTEL_EXPORTER_OTLP_HEADERS", about: "headers for the collector: name=value, separated by commas" },
  { term: "OTEL_SERVICE_NAME", about: "service name in the spans (default: task-exec)" },
  { term: "OTEL_RESOURCE_ATTRIBUTES", about: "resource attributes: name=value, separated by commas" },
  { term: "OTEL_SDK_DISABLED", about: "true: send no spans" }
]

/** Variables that task-exec sets, or that are not for users. */
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
