/** The command line of `task-exec cp`: that of `docker cp`, and the flags that verbs share. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseOperand } from "../../src/copy/CopyRules.ts"
import type { TaskFilesRequest } from "../../src/copy/TaskFiles.ts"
import { Via } from "../../src/request/Via.ts"
import { connectionFlags, debugFlag, helpFlag, routeFlags } from "../command/CommonFlags.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import type { Flags, ReadFlags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { oneOf, parseTime, UsageError } from "../command/Usage.ts"

/** A parsed command line. */
export interface Copy {
  readonly direction: "from" | "to"
  readonly files: TaskFilesRequest
  /** In the container. */
  readonly path: string
  /** On this machine; `-` for a tar archive on stdin or stdout. */
  readonly local: string
  readonly followLink: boolean
  readonly archive: boolean
  readonly quiet: boolean
  readonly debug: boolean
  readonly engine: EngineChoice
}

/** The flags. */
export const cpFlags = {
  archive: {
    type: "boolean",
    short: "a",
    default: false,
    about: "Keep file owners. From a container, this needs root"
  },
  "follow-link": {
    type: "boolean",
    short: "L",
    default: false,
    about: "Follow a symbolic link in SRC_PATH"
  },
  quiet: { type: "boolean", short: "q", default: false, about: "Hide progress and warnings" },
  ...connectionFlags,
  ...routeFlags,
  ...debugFlag,
  ...helpFlag
} as const satisfies Flags

/** The help of the verb. */
export const cpHelp: CommandHelp = {
  usage: ["[OPTIONS] TARGET:SRC_PATH DEST_PATH|-", "[OPTIONS] SRC_PATH|- TARGET:DEST_PATH"],
  about: [
    "Copy files and directories between the local machine and the container of a Swarm task, on any node. The container needs no tools. Paths follow the rules of docker cp: SRC_PATH/. means the content of a directory, and a copy to an existing directory goes into it. With -, task-exec reads a tar archive from stdin and unpacks it in DEST_PATH, or writes one to stdout.",
    "TARGET is a service with one running task (web), a slot (web.2), a service's task on a node (web@node-3), or a unique prefix of a task ID or container ID. Write a local file that has a colon in its name as ./like:this."
  ],
  flags: cpFlags,
  after: [
    exitCodeList(
      ["0", "all files were copied"],
      commonCodes.usage,
      ["125", "the copy failed or is incomplete"],
      commonCodes.interrupted
    )
  ],
  examples: [
    { term: "task-exec cp web.2:/var/log/app ./logs", about: "Copy a directory from a task" },
    { term: "task-exec cp ./nginx.conf web.2:/etc/nginx/", about: "Copy a file to a task" },
    { term: "task-exec cp web.1:/srv - | task-exec cp - web.2:/", about: "Copy between two tasks" }
  ]
}

/** Reads a command line. */
export const parseCp = Effect.fnUntraced(function* ({
  positionals,
  values
}: ReadFlags<typeof cpFlags>): Effect.fn.Return<Copy, UsageError> {
  const [source, destination, ...more] = positionals
  if (source === undefined || destination === undefined || more.length > 0) {
    return yield* new UsageError({
      detail: `expected two paths, one of them TARGET:PATH, but got ${positionals.length}`
    })
  }
  const from = parseOperand(source)
  const to = parseOperand(destination)
  const target = from.target ?? to.target
  if (target === undefined) return yield* new UsageError({ detail: "one of the two paths must be TARGET:PATH" })
  if (from.target !== undefined && to.target !== undefined) {
    return yield* new UsageError({
      detail: "copying between containers is not supported: use task-exec cp A:PATH - | task-exec cp - B:PATH"
    })
  }
  const direction = from.target === undefined ? "to" : "from"
  const [inside, outside] = direction === "to" ? [to, from] : [from, to]
  if (target === "" || inside.path === "" || outside.path === "") {
    return yield* new UsageError({ detail: "TARGET or a path is empty" })
  }
  const { image, via = "auto" } = values
  if (!isVia(via)) {
    return yield* new UsageError({
      detail: `invalid route ${JSON.stringify(via)}: expected ${oneOf(Via.literals)}`
    })
  }
  const timeout = values["placement-timeout"]
  return {
    direction,
    path: inside.path,
    local: outside.path,
    files: {
      target,
      via,
      ...(image === undefined ? {} : { image }),
      ...(timeout === undefined ? {} : { placementTimeout: yield* parseTime("placement timeout", timeout) })
    },
    followLink: values["follow-link"],
    archive: values.archive,
    quiet: values.quiet,
    debug: values.debug ?? false,
    engine: yield* chooseEngine(values.host, values.context)
  }
})

const isVia = Schema.is(Via)
