/** `task-exec run`: runs a command in a new task of a service. */
import * as Effect from "effect/Effect"
import type { OneOffResources } from "../../src/request/OneOffRequest.ts"
import type { Flags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { parseTime, UsageError } from "../command/Usage.ts"
import { fleetFlags } from "../fleet/FleetArgs.ts"
import { execVerb, flagsOf } from "./ExecVerb.ts"

const group = "One-off task"

const flags = {
  image: { type: "string", value: "IMAGE", group, about: "Image of the task (default: the service's image)" },
  entrypoint: {
    type: "string",
    value: "PROGRAM",
    group,
    about: "Replace the entrypoint of the service and the image. COMMAND is then its arguments"
  },
  label: { type: "string", multiple: true, value: "NAME[=VALUE]", group, about: "Add a label to the task" },
  constraint: {
    type: "string",
    multiple: true,
    value: "CONSTRAINT",
    group,
    about: "Add a placement constraint, such as node.labels.disk==ssd"
  },
  "limit-memory": { type: "string", value: "BYTES", group, about: "Limit the memory: 512m, 2g" },
  "limit-cpu": { type: "string", value: "CPUS", group, about: "Limit the CPUs: 0.5" },
  "limit-pids": { type: "string", value: "N", group, about: "Limit the processes and threads" },
  "reserve-memory": { type: "string", value: "BYTES", group, about: "Reserve memory: the node must have it" },
  "reserve-cpu": { type: "string", value: "CPUS", group, about: "Reserve CPUs" },
  wait: {
    type: "string",
    value: "TIME",
    group: "Lifecycle",
    about: "How long the task may take to start, with the pull of its image (default 5m)"
  }
} as const satisfies Flags

const removed = "the task is removed when task-exec ends"
const single = "the command runs in one new task"
const { output: _, ...manyFlags } = fleetFlags
/** The flags of `exec` that this verb does not have, each with the reason for the error message. */
const lacks = {
  detach: removed,
  "detach-keys": removed,
  privileged: "the task has the privileges of its service",
  ...Object.fromEntries(Object.keys(manyFlags).map((name) => [name, single]))
}

const help: CommandHelp = {
  usage: ["[OPTIONS] SERVICE [COMMAND [ARG...]]"],
  about: [
    "Run a command in a new task of a service, on any node: a migration before a deployment, a console, a backfill. The task has the service's image, environment, secrets, configs, networks, mounts, user, placement, resources and logging. It has no ports, aliases, health check or labels of the service, so no traffic reaches it.",
    "The image's entrypoint runs with COMMAND as its arguments. Without COMMAND, the service's own arguments are used. The task is removed when the command has ended. SERVICE@NODE chooses the node. The label task-exec.allow must allow run, where a service has it."
  ],
  flags: flagsOf(flags, lacks),
  after: ["TIME and exit codes are those of task-exec exec. BYTES may have the unit b, k, m or g."],
  examples: [
    { term: "task-exec run shop_web ./migrate", about: "Run a command as a task of the service" },
    { term: "task-exec run --image shop:v2 shop_web ./migrate", about: "Use the image of the next version" },
    { term: "task-exec run -it shop_web rails console", about: "Open a console" },
    { term: "task-exec run --limit-memory 2g -e BATCH=100 shop_web ./backfill", about: "Set a limit and a variable" }
  ]
}

/** The verb. */
export const run = execVerb({
  name: "run",
  help,
  flags,
  lacks,
  operands: ["SERVICE", "COMMAND"],
  requestOf: Effect.fnUntraced(function* ({ words }, own) {
    const { constraint: constraints, entrypoint, image, label = [], wait } = own
    const limits = yield* resourcesOf(own["limit-memory"], own["limit-cpu"], own["limit-pids"])
    const reservations = yield* resourcesOf(own["reserve-memory"], own["reserve-cpu"])
    return {
      command: words,
      ...(wait === undefined ? {} : { wait: yield* parseTime("wait time", wait) }),
      oneOff: {
        labels: Object.fromEntries(label.map(labelOf)),
        limits,
        reservations,
        ...(image === undefined ? {} : { image }),
        ...(entrypoint === undefined ? {} : { entrypoint: [entrypoint] }),
        ...(constraints === undefined ? {} : { constraints })
      }
    }
  })
})

const labelOf = (text: string): readonly [string, string] => {
  const at = text.indexOf("=")
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)]
}

const resourcesOf = Effect.fnUntraced(function* (
  memory: string | undefined,
  cpus: string | undefined,
  pids?: string
): Effect.fn.Return<OneOffResources, UsageError> {
  return {
    ...(memory === undefined ? {} : { memory: yield* parseBytes(memory) }),
    ...(cpus === undefined ? {} : { cpus: yield* parseNumber("number of CPUs", cpus, /^\d+(?:\.\d+)?$|^\.\d+$/) }),
    ...(pids === undefined ? {} : { pids: yield* parseNumber("number of processes", pids, /^\d+$/) })
  }
})

const parseNumber = (name: string, text: string, form: RegExp): Effect.Effect<number, UsageError> => {
  const value = form.test(text) ? Number(text) : 0
  return value > 0
    ? Effect.succeed(value)
    : Effect.fail(new UsageError({ detail: `invalid ${name} ${JSON.stringify(text)}: expected a positive number` }))
}

const units: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/** Reads an amount of memory as the docker CLI does: `512m`, `2g`, `1.5GiB`. */
const parseBytes = (text: string): Effect.Effect<number, UsageError> => {
  const [, number = "", unit = "b"] = /^(\d+(?:\.\d+)?)\s?([bkmgt])?(?:i?b)?$/i.exec(text) ?? []
  const bytes = Math.floor(Number(number) * (units[unit.toLowerCase()] ?? 1))
  return bytes > 0
    ? Effect.succeed(bytes)
    : Effect.fail(
        new UsageError({
          detail: `invalid amount of memory ${JSON.stringify(text)}: expected bytes such as 512m or 2g`
        })
      )
}
