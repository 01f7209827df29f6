/** Flags that several commands share. */
import type { Flags } from "./Flags.ts"

/** The engine to talk to. */
export const connectionFlags = {
  context: { type: "string", value: "NAME", group: "Connection", about: "Docker context to use" },
  host: {
    type: "string",
    short: "H",
    value: "ADDRESS",
    group: "Connection",
    about:
      "Manager to connect to (default: DOCKER_HOST, then the context). Separate managers with commas. If one is unreachable, the next is tried"
  }
} as const satisfies Flags

/** The route to the task's node. */
export const routeFlags = {
  image: {
    type: "string",
    value: "IMAGE",
    group: "Connection",
    about: "Image of the helper (default: TASK_EXEC_IMAGE, then the configuration file)"
  },
  "placement-timeout": {
    type: "string",
    value: "TIME",
    group: "Connection",
    about: "Fail if Swarm has not placed the helper after TIME (default 30s)"
  },
  via: {
    type: "string",
    value: "ROUTE",
    group: "Connection",
    about: "Route to the node: auto (default), local, agent or helper"
  }
} as const satisfies Flags

/** The flag that logs every step. */
export const debugFlag = {
  debug: { type: "boolean", group: "Debugging", about: "Log every step to stderr" }
} as const satisfies Flags

/** The flag that prints the help. */
export const helpFlag = {
  help: { type: "boolean", short: "h", about: "Print this help" }
} as const satisfies Flags
