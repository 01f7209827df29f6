/** The commands to measure: task-exec, docker and Node. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { nsenterArgs } from "../test/cluster/Machine.ts"
import type { Ssh } from "../test/cluster/Ssh.ts"
import type { ClusterNode } from "../test/cluster/SwarmCluster.ts"
import type { Contender, MeasureOptions } from "./Measure.ts"
import type { Original } from "./Original.ts"
import type { Stage, TaskOnNode } from "./Stage.ts"

/** The environment of every measure. */
export interface Bench {
  readonly stage: Stage
  /** SSH to the node of the remote task. */
  readonly ssh: Ssh
  /** The original plugin, if it is compared. */
  readonly original: Original | undefined
  readonly options: MeasureOptions
  /** The amount of data for throughput, in 10^6 bytes. */
  readonly megabytes: number
}

/** Divides the number of rounds, for measures that take long. */
const fewer =
  (times: number) =>
  ({ runs, ...options }: MeasureOptions): MeasureOptions => ({ ...options, runs: Math.ceil(runs / times) })

/** Half as many rounds. */
export const halved = fewer(2)

/** A quarter as many rounds. */
export const quartered = fewer(4)

/** The command to measure is not built. */
export class NotBuilt extends Schema.TaggedError<NotBuilt>()("NotBuilt", {}) {
  override get message(): string {
    return 'cannot find dist/task-exec.cjs: run "npm run build" first'
  }
}

/** A build of task-exec. */
export interface Build {
  /** What tables call it. */
  readonly name: string
  /** The project's folder with `dist`. */
  readonly folder: string
  /** Its image, by tag. */
  readonly image: string
}

const project = join(import.meta.dirname, "..")

const programOf = (folder: string): string => join(folder, "dist/task-exec.cjs")

/** Fails unless the command to measure is built. */
export const checkBuilt: Effect.Effect<void, NotBuilt> = Effect.suspend(() =>
  existsSync(programOf(project)) ? Effect.void : Effect.fail(new NotBuilt())
)

/** `task-exec`, started as users start it: by its shell line, with the Node of the PATH. */
export const taskExec = (...args: ReadonlyArray<string>): Contender => ({
  name: `task-exec ${args.join(" ")}`,
  argv: ["sh", programOf(project), ...args]
})

/** `task-exec` of a build, with the image of that build. */
export const taskExecOf = ({ folder, image, name }: Build, ...args: ReadonlyArray<string>): Contender => ({
  name: `task-exec of ${name}: ${args.join(" ")}`,
  argv: ["env", `TASK_EXEC_IMAGE=${image}`, "sh", programOf(folder), ...args]
})

/** This build. */
export const thisBuild = ({ image }: Pick<Stage, "image">): Build => ({ name: "this build", folder: project, image })

/** A command whose stdin is one line of text, complete when the command starts. */
export const piped = ({ argv, name }: Contender, line: string): Contender => ({
  name: `echo ${line} | ${name}`,
  argv: ["sh", "-c", 'line=$1; shift; printf "%s\\n" "$line" | "$@"', "sh", line, ...argv],
  bytes: Buffer.byteLength(line) + 1
})

/** docker's client, connected to an engine's socket or over SSH. */
export const dockerExec = (
  name: string,
  host: string,
  { container }: TaskOnNode,
  command: ReadonlyArray<string>,
  flags: ReadonlyArray<string> = []
): Contender => ({
  name,
  argv: ["docker", "-H", host, "exec", ...flags, container, ...command]
})

/** A command inside a node's namespaces, where the engine's processes run. */
export const on = ({ pid }: ClusterNode, { argv, ...contender }: Contender): Contender => ({
  ...contender,
  argv: [...nsenterArgs(pid), ...argv]
})

/** Node without a program: the lower bound of a program on Node. */
export const bareNode: Contender = { name: "node -e 0", argv: [process.execPath, "-e", "0"] }
