/** `throughput`: much output of a command, and much input, on each route. */
import { open } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, dockerExec, quartered, taskExec } from "../Contenders.ts"
import { type Contender, type MeasureOptions, measure } from "../Measure.ts"
import type { TaskOnNode } from "../Stage.ts"

/** Blocks a little smaller than a pipe, so that the program writes in the same way on every route. */
const block = 50_000

/** A command that writes this many bytes. */
export const writer = (bytes: number): ReadonlyArray<string> => [
  "dd",
  "if=/dev/zero",
  `bs=${block}`,
  `count=${bytes / block}`,
  "status=none"
]

/** A command that prints how many bytes it has read. */
const reader: ReadonlyArray<string> = ["sh", "-c", "wc -c"]

/** A file of zeros. It takes no space on the disk. */
const fileOf = (dir: string, bytes: number) =>
  Effect.promise(async () => {
    const file = join(dir, "input")
    await using handle = await open(file, "w")
    await handle.truncate(bytes)
    return file
  })

/** The contenders for one task. */
interface Contenders {
  readonly where: string
  readonly ours: Contender
  readonly others: ReadonlyArray<Contender>
}

/** Compares the contenders. */
const compareWays = Effect.fnUntraced(function* (
  direction: "output from" | "input to",
  moved: number,
  { others, ours, where }: Contenders,
  options: MeasureOptions
) {
  const what = `${moved / 1e6} MB of ${direction} a task ${where}`
  const measured = yield* measure(what, [ours, ...others], options)
  return compareMeasured({ measure: "throughput", title: what, unit: "seconds", moved }, measured)
})

/** Measures output and input of a task on the connected engine and of one on another node. */
export const throughput = Effect.fn("Measure.throughput")(function* (bench: Bench) {
  const { megabytes, ssh, stage } = bench
  const options = quartered(bench.options)
  const bytes = megabytes * 1_000_000
  const file = yield* fileOf(options.dir, bytes)
  const wrote = (contender: Contender): Contender => ({ ...contender, bytes })
  const read = (contender: Contender): Contender => ({
    name: contender.name,
    argv: ["sh", "-c", 'exec "$@" <"$0"', file, ...contender.argv],
    bytes: `${bytes}\n`.length
  })
  const docker = (name: string, host: string, task: TaskOnNode, input: boolean): Contender =>
    input
      ? read(dockerExec(name.replace("exec", "exec -i"), host, task, reader, ["-i"]))
      : wrote(dockerExec(name, host, task, writer(bytes)))
  const onNode = (task: TaskOnNode, input: boolean) =>
    docker("docker exec, on the node itself", task.node.dockerHost, task, input)
  const overSsh = (input: boolean) => docker("docker -H ssh://… exec", ssh.cold, stage.remote, input)
  const out = ({ target }: TaskOnNode) =>
    wrote({ ...taskExec(target, ...writer(bytes)), name: `task-exec ${target} dd` })
  const into = ({ target }: TaskOnNode) =>
    read({ ...taskExec("-i", target, ...reader), name: `task-exec -i ${target} wc` })
  const { local, remote } = stage
  const here = "on the connected engine"
  const there = "on another node"
  return [
    ...(yield* compareWays(
      "output from",
      bytes,
      { where: here, ours: out(local), others: [onNode(local, false)] },
      options
    )),
    ...(yield* compareWays(
      "input to",
      bytes,
      { where: here, ours: into(local), others: [onNode(local, true)] },
      options
    )),
    ...(yield* compareWays(
      "output from",
      bytes,
      {
        where: there,
        ours: out(remote),
        others: [onNode(remote, false), overSsh(false)]
      },
      options
    )),
    ...(yield* compareWays(
      "input to",
      bytes,
      { where: there, ours: into(remote), others: [onNode(remote, true), overSsh(true)] },
      options
    ))
  ]
})
