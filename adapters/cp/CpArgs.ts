/** The command line of `swarm-exec cp`: docker's own, and the flags that all of our commands have. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseOperand } from "../../src/copy/CopyRules.ts"
import type { TaskFilesRequest } from "../../src/copy/TaskFiles.ts"
import { Via } from "../../src/request/Via.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { parseTime, readArgs, UsageError } from "../command/Usage.ts"

/** What a command line asks for. */
export type CpInvocation =
  | { readonly _tag: "Help" }
  | {
      readonly _tag: "Copy"
      readonly direction: "from" | "to"
      readonly files: TaskFilesRequest
      /** In the container. */
      readonly path: string
      /** Of this machine; `-` for a tar archive on stdin or stdout. */
      readonly local: string
      readonly followLink: boolean
      readonly archive: boolean
      readonly quiet: boolean
      readonly debug: boolean
      readonly engine: EngineChoice
    }

/** The text that `--help` prints. */
export const help = `Usage: swarm-exec cp [OPTIONS] TARGET:SRC_PATH DEST_PATH|-
       swarm-exec cp [OPTIONS] SRC_PATH|- TARGET:DEST_PATH

Copy files and directories between the container of a Swarm task, on whichever
node it is, and this machine; no tool of the container is used. The paths mean
what they mean to docker cp: SRC_PATH/. is the content of a directory, and what
is copied to a directory that is there goes into it. With - a tar archive comes
from stdin, to be unpacked in the directory DEST_PATH, or goes to stdout.

TARGET is as for task-exec: web, web.2, web@node-3, a task ID, a container ID.
A file of this machine with a : in its name is written ./like:this.

Options:
  -a, --archive                  Keep the owners (out of a container: as root)
  -L, --follow-link              Copy what a symbolic link SRC_PATH leads to
  -q, --quiet                    No progress, no warnings
      --image IMAGE              Image of the helper (default: TASK_EXEC_IMAGE)
      --placement-timeout TIME   For Swarm to place the helper (default 30s)
      --via ROUTE                auto (default), local, agent, helper
      --context NAME             The docker context to use
  -H, --host ADDRESS             The manager to talk to, or several with commas
                                 (default: DOCKER_HOST, then the context)
      --debug                    Tell every step on stderr
      --help

Exit code: 0 all of it was copied; 125 it was not; 2 wrong usage;
130/143/129 interrupted.
`

const options = {
  archive: { type: "boolean", short: "a", default: false },
  "follow-link": { type: "boolean", short: "L", default: false },
  quiet: { type: "boolean", short: "q", default: false },
  image: { type: "string" },
  "placement-timeout": { type: "string" },
  via: { type: "string", default: "auto" },
  context: { type: "string" },
  host: { type: "string", short: "H" },
  debug: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false }
} as const

/** Reads a command line. */
export const parseCpInvocation = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>
): Effect.fn.Return<CpInvocation, UsageError> {
  const { positionals, values } = yield* readArgs({ args: [...argv], options, strict: true, allowPositionals: true })
  if (values.help) return { _tag: "Help" }
  const [source, destination, ...more] = positionals
  if (source === undefined || destination === undefined || more.length > 0) {
    return yield* new UsageError({ detail: "it takes two paths, one of them TARGET:PATH" })
  }
  const from = parseOperand(source)
  const to = parseOperand(destination)
  const target = from.target ?? to.target
  if (target === undefined) return yield* new UsageError({ detail: "one of the two paths must be TARGET:PATH" })
  if (from.target !== undefined && to.target !== undefined) {
    return yield* new UsageError({
      detail: "copying between containers is not supported (swarm-exec cp A:PATH - | swarm-exec cp - B:PATH does it)"
    })
  }
  const direction = from.target === undefined ? "to" : "from"
  const [inside, outside] = direction === "to" ? [to, from] : [from, to]
  if (target === "" || inside.path === "" || outside.path === "") {
    return yield* new UsageError({ detail: "neither TARGET nor a path can be empty" })
  }
  const { image, via } = values
  if (!isVia(via)) return yield* new UsageError({ detail: `--via ${via}: use ${Via.literals.join(", ")}` })
  const timeout = values["placement-timeout"]
  return {
    _tag: "Copy",
    direction,
    path: inside.path,
    local: outside.path,
    files: {
      target,
      via,
      ...(image === undefined ? {} : { image }),
      ...(timeout === undefined ? {} : { placementTimeout: yield* parseTime("--placement-timeout", timeout) })
    },
    followLink: values["follow-link"],
    archive: values.archive,
    quiet: values.quiet,
    debug: values.debug,
    engine: yield* chooseEngine(values.host, values.context)
  }
})

const isVia = Schema.is(Via)
