/** The flags of `task-exec exec`. Other verbs use a part of them. */
import { connectionFlags, debugFlag, helpFlag, routeFlags } from "../command/CommonFlags.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import { fleetFlags } from "../fleet/FleetArgs.ts"

/** The flags. */
export const execFlags = {
  env: {
    type: "string",
    short: "e",
    multiple: true,
    value: "NAME[=VALUE]",
    group: "Command",
    about: "Set an environment variable. Without =VALUE, use the caller's value"
  },
  "env-file": {
    type: "string",
    multiple: true,
    value: "FILE",
    group: "Command",
    about: "Read environment variables from a file"
  },
  user: {
    type: "string",
    short: "u",
    value: "NAME|UID[:GROUP]",
    group: "Command",
    about: "Run the command as this user"
  },
  workdir: {
    type: "string",
    short: "w",
    value: "DIR",
    group: "Command",
    about: "Working directory in the container"
  },
  privileged: { type: "boolean", group: "Command", about: "Give the command extended privileges" },
  interactive: { type: "boolean", short: "i", group: "Terminal and input", about: "Forward stdin" },
  tty: { type: "boolean", short: "t", group: "Terminal and input", about: "Allocate a terminal" },
  "detach-keys": {
    type: "string",
    value: "KEYS",
    group: "Terminal and input",
    about: "Keys that detach from the command (default: detachKeys of docker's config.json, then ctrl-p,ctrl-q)"
  },
  detach: { type: "boolean", short: "d", group: "Lifecycle", about: "Start the command and do not wait for it" },
  wait: {
    type: "string",
    value: "TIME",
    optional: "60s",
    group: "Lifecycle",
    about: "Wait until the task is running, healthy and up to date (default 60s)"
  },
  timeout: {
    type: "string",
    value: "TIME",
    group: "Lifecycle",
    about: "Kill the command after TIME (default: no timeout)"
  },
  signal: {
    type: "string",
    value: "NAME",
    group: "Lifecycle",
    about: "Signal that ends the command (default TERM)"
  },
  grace: {
    type: "string",
    value: "TIME",
    group: "Lifecycle",
    about: "Grace period between that signal and KILL (default 10s)"
  },
  ...connectionFlags,
  ...routeFlags,
  quiet: { type: "boolean", short: "q", group: "Output", about: "Hide warnings and the status line" },
  "log-format": {
    type: "string",
    value: "FORMAT",
    group: "Output",
    about: "Format of messages on stderr: text (default), or json with one object per line"
  },
  record: {
    type: "string",
    value: "FILE",
    group: "Output",
    about: "Record the output, but not the input, in an asciicast v2 file (asciinema play FILE)"
  },
  "audit-file": {
    type: "string",
    value: "FILE",
    group: "Output",
    about: "Append one JSON line per run to a file (default: TASK_EXEC_AUDIT_FILE)"
  },
  "audit-user": { type: "string", value: "NAME", group: "Output", about: "User name to write to the audit file" },
  // Its name in version 0.1.0.
  as: { type: "string" },
  ...fleetFlags,
  ...debugFlag,
  timings: { type: "boolean", group: "Debugging", about: "Print how long each stage took" },
  help: { ...helpFlag.help, group: "Output" },
  version: { type: "boolean", short: "V", group: "Output", about: "Print the version" },
  v: { type: "boolean", short: "v" }
} as const satisfies Flags

/** The name of a flag of `exec`. */
export type ExecFlag = keyof typeof execFlags

/** The values of the flags of `exec`. */
export type ExecValues = ReadFlags<typeof execFlags>["values"]
