/** The ways to run a command in a task, as commands to measure. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { entrance } from "../test/cluster/Machine.ts"
import type { Ssh } from "../test/cluster/Ssh.ts"
import type { ClusterNode } from "../test/cluster/SwarmCluster.ts"
import type { Contender, MeasureOptions } from "./Measure.ts"
import type { Original } from "./Original.ts"
import type { Place, Stage } from "./Stage.ts"

/** What every measure is given. */
export interface Bench {
  readonly stage: Stage
  /** To the node of the remote task. */
  readonly ssh: Ssh
  /** The original plugin, where it is to be compared with. */
  readonly original: Original | undefined
  readonly options: MeasureOptions
  /** Of data that throughput is about, 10^6 bytes each. */
  readonly megabytes: number
}

/** The same, with so many times fewer rounds: for what takes long. */
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
    return 'there is no dist/task-exec.cjs: run "npm run build" first'
  }
}

const bundle = join(import.meta.dirname, "../dist/task-exec.cjs")

/** Fails unless the command to measure is built. */
export const checkBuilt: Effect.Effect<void, NotBuilt> = Effect.suspend(() =>
  existsSync(bundle) ? Effect.void : Effect.fail(new NotBuilt())
)

/** What is measured, started as people start it: by the shell line that it begins with, with the Node that is on the PATH. */
export const taskExec = (...args: ReadonlyArray<string>): Contender => ({
  name: `task-exec ${args.join(" ")}`,
  argv: ["sh", bundle, ...args]
})

/** A command whose input is a line of text that is there when it starts. */
export const piped = ({ argv, name }: Contender, line: string): Contender => ({
  name: `echo ${line} | ${name}`,
  argv: ["sh", "-c", 'line=$1; shift; printf "%s\\n" "$line" | "$@"', "sh", line, ...argv],
  bytes: Buffer.byteLength(line) + 1
})

/** Docker's own client, at an engine or over SSH (`DOCKER_HOST`). */
export const dockerExec = (
  name: string,
  host: string,
  { container }: Place,
  command: ReadonlyArray<string>,
  flags: ReadonlyArray<string> = []
): Contender => ({
  name,
  argv: ["docker", "-H", host, "exec", ...flags, container, ...command]
})

/** The same on a node's machine, where people are: what they start sees the processes of its engine. */
export const on = ({ pid }: ClusterNode, { argv, ...contender }: Contender): Contender => ({
  ...contender,
  argv: [...entrance(pid), ...argv]
})

/** Node, doing nothing: less is not to be had with it. */
export const bareNode: Contender = { name: "node -e 0", argv: [process.execPath, "-e", "0"] }
