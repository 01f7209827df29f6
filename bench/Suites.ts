/** What is measured against what. */
import { existsSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { rolldown } from "rolldown"
import { entrance } from "../test/cluster/Machine.ts"
import type { Ssh } from "../test/cluster/Ssh.ts"
import { compare, whole, withOutput } from "./Comparison.ts"
import { watchHelper } from "./HelperMemory.ts"
import { type Contender, type MeasureOptions, measure } from "./Measure.ts"
import { roundTripSuite } from "./RoundTrips.ts"
import type { Place, Stage } from "./Stage.ts"

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

const taskExec = (...args: ReadonlyArray<string>): Contender => ({
  name: `task-exec ${args.join(" ")}`,
  argv: [process.execPath, bundle, ...args]
})

const dockerExec = (
  name: string,
  host: string,
  { container }: Place,
  ...command: ReadonlyArray<string>
): Contender => ({
  name,
  argv: ["docker", "-H", host, "exec", container, ...command]
})

/** The least that a temporary service takes; built, because Node needs some time to strip types. */
const bareHelper = Effect.fnUntraced(function* (dir: string, { busybox, manager, remote }: Stage) {
  const program = join(dir, "bare-helper.mjs")
  yield* Effect.promise(async () => {
    await using bundle = await rolldown({ input: join(import.meta.dirname, "BareHelper.ts"), platform: "node" })
    await bundle.write({ file: program, format: "esm" })
  })
  const notes = join(dir, "bare-helper.notes")
  const contender: Contender = {
    name: "a bare helper service with busybox",
    argv: [process.execPath, program, manager.socket, busybox, remote.node.nodeId, notes],
    notes
  }
  return contender
})

/** A command in a task on another node, with nothing kept between two commands. */
export const remoteSuite = Effect.fn("Suites.remote")(function* (stage: Stage, ssh: Ssh, options: MeasureOptions) {
  const { remote } = stage
  const title = "A command in a task on another node"
  const measured = yield* measure(
    "commands on another node",
    [
      taskExec(remote.target, "true"),
      dockerExec(`docker -H ${ssh.cold} exec CONTAINER true`, ssh.cold, remote, "true"),
      dockerExec("the same, over a connection that stays open", ssh.kept, remote, "true"),
      yield* bareHelper(options.dir, stage)
    ],
    options
  )
  const untilFirstLine = measured.flatMap(({ contender, notes }) =>
    notes.length === 0
      ? []
      : [{ command: `${contender.name}, until its first line`, all: notes.map((ms) => ms / 1000) }]
  )
  return compare(title, [...measured.map(whole), ...untilFirstLine])
})

/** A command in a task on the node whose engine is talked to; the callers are on its machine, as people are. */
export const localSuite = Effect.fn("Suites.local")(function* ({ local, manager }: Stage, options: MeasureOptions) {
  const inside = ({ argv, ...contender }: Contender): Contender => ({
    ...contender,
    argv: [...entrance(manager.pid), ...argv]
  })
  const measured = yield* measure(
    "commands on the same engine",
    [
      inside(taskExec(local.target, "true")),
      inside(dockerExec("docker exec CONTAINER true", manager.dockerHost, local, "true")),
      { ...taskExec(local.target, "true"), name: `task-exec ${local.target} true, from outside its machine` },
      taskExec("--version"),
      { name: "node -e 0", argv: [process.execPath, "-e", "0"] }
    ],
    options
  )
  return compare("A command in a task on the same engine", measured.map(whole))
})

/** A conversation with a command on another node. */
export const interactiveSuite = ({ remote }: Stage, ssh: Ssh, options: MeasureOptions) => {
  const docker = (name: string, host: string): Contender => ({
    name,
    argv: ["docker", "-H", host, "exec", "-i", remote.container, "cat"]
  })
  return roundTripSuite(
    [
      taskExec("-i", remote.target, "cat"),
      docker(`docker -H ${ssh.cold} exec -i CONTAINER cat`, ssh.cold),
      docker("docker exec -i CONTAINER cat, on the engine of the node", remote.node.dockerHost)
    ],
    options
  )
}

/** So that the same program does the writing on every way: blocks a little smaller than a pipe. */
const block = 50_000

const write = (bytes: number): ReadonlyArray<string> => [
  "dd",
  "if=/dev/zero",
  `bs=${block}`,
  `count=${bytes / block}`,
  "status=none"
]

/** The command, with its output counted and its peak memory noted. */
const withMemory = (notes: string, contender: Contender, bytes: number): Contender => ({
  ...contender,
  argv: ["time", "-a", "-o", notes, "-f", "%M", ...contender.argv],
  bytes,
  notes
})

/** Measures them with the memory that they take, task-exec first; each of them writes so many bytes. */
const measureTraffic = Effect.fnUntraced(function* (
  what: string,
  { node }: Place,
  contenders: ReadonlyArray<Contender>,
  output: number,
  options: MeasureOptions
) {
  const helper = yield* watchHelper(node)
  const measured = yield* measure(
    what,
    contenders.map((one, i) => withMemory(join(options.dir, `memory-${i}.notes`), one, output)),
    options
  )
  const peak = helper.peakMiB()
  return measured
    .map(withOutput)
    .map((one, i) => (i > 0 || peak === undefined ? one : { ...one, helperMemoryMiB: peak }))
}, Effect.scoped)

/** Much output of a task. */
export const outputSuite = Effect.fn("Suites.output")(function* (
  where: "the same engine" | "another node",
  place: Place,
  megabytes: number,
  options: MeasureOptions,
  flags: ReadonlyArray<string> = []
) {
  const { node, target } = place
  const bytes = megabytes * 1_000_000
  const what = `${megabytes} MB of output from ${where}`
  const contenders: ReadonlyArray<Contender> = [
    { ...taskExec(...flags, target, ...write(bytes)), name: ["task-exec", ...flags, target, "dd"].join(" ") },
    dockerExec(`docker exec CONTAINER dd, on the engine of ${node.name}`, node.dockerHost, place, ...write(bytes))
  ]
  return compare(what, yield* measureTraffic(what, place, contenders, bytes, options))
})

/** Much input of a task, from a file. */
export const inputSuite = Effect.fn("Suites.input")(function* (
  where: "the same engine" | "another node",
  place: Place,
  megabytes: number,
  options: MeasureOptions
) {
  const { container, node, target } = place
  const bytes = megabytes * 1_000_000
  const file = join(options.dir, "input")
  // Zeros that take no room on the disk.
  yield* Effect.promise(async () => {
    await using handle = await open(file, "w")
    await handle.truncate(bytes)
  })
  const what = `${megabytes} MB of input to ${where}`
  const reader = ["sh", "-c", "wc -c"]
  const from = (name: string, argv: ReadonlyArray<string>): Contender => ({
    name,
    argv: ["sh", "-c", 'exec "$@" <"$0"', file, ...argv]
  })
  const contenders = [
    from(`task-exec -i ${target} wc`, taskExec("-i", target, ...reader).argv),
    from(`docker exec -i CONTAINER wc, on the engine of ${node.name}`, [
      ...["docker", "-H", node.dockerHost, "exec", "-i", container],
      ...reader
    ])
  ]
  const entries = yield* measureTraffic(what, place, contenders, `${bytes}\n`.length, options)
  return compare(
    what,
    entries.map((one) => ({ ...one, bytes }))
  )
})
