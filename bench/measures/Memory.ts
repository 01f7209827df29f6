/** `memory`: the peak memory of caller and helper while a command on another node writes much output. */
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { compare } from "../Comparison.ts"
import { type Bench, bareNode, dockerExec, halved, taskExec } from "../Contenders.ts"
import { type Contender, inTurns, type MeasureOptions, numberNoted, warmUp } from "../Measure.ts"
import { watchHelper } from "./HelperMemory.ts"
import { writer } from "./Throughput.ts"

/** Runs a contender. Returns the peak memory of its process in bytes. */
export const peakOf = Effect.fnUntraced(function* (
  contender: Contender,
  { dir, env }: Pick<MeasureOptions, "dir" | "env">
) {
  const file = join(dir, "memory.note")
  yield* warmUp({ ...contender, argv: ["time", "-o", file, "-f", "%M", ...contender.argv] }, { env })
  return (yield* numberNoted(file)) * 1024
})

/** Compares the peak memory of caller and helper with docker's client and an idle Node. */
export const memory = Effect.fn("Measure.memory")(function* (bench: Bench) {
  const { megabytes, stage } = bench
  const options = halved(bench.options)
  const { remote } = stage
  const bytes = megabytes * 1_000_000
  const command = writer(bytes)
  const ours = Effect.gen(function* () {
    const helper = yield* watchHelper(remote.node)
    const caller = yield* peakOf({ ...taskExec(remote.target, ...command), bytes }, options)
    return { caller, helper: yield* helper.peak }
  }).pipe(Effect.scoped)
  const other = (contender: Contender) =>
    Effect.map(peakOf(contender, options), (caller) => ({ caller, helper: Number.NaN }))
  const docker = dockerExec("docker exec, on the node itself", remote.node.dockerHost, remote, command)
  yield* Console.error(`measuring memory: 1 + ${options.runs} rounds`)
  const [own = [], client = [], node = []] = yield* inTurns(
    [ours, other({ ...docker, bytes }), other(bareNode)],
    options.runs
  )
  const callersOf = (taken: typeof own) => taken.map(({ caller }) => caller)
  const bare = { name: bareNode.name, samples: callersOf(node) }
  const about = { measure: "memory", unit: "bytes" } as const
  const what = `${megabytes} MB of output from another node`
  return [
    compare(
      { ...about, title: `Peak memory of the caller during ${what}` },
      { name: `task-exec ${remote.target} dd`, samples: callersOf(own) },
      [{ name: docker.name, samples: callersOf(client) }, bare]
    ),
    compare(
      { ...about, title: `Peak memory of the helper during ${what}` },
      { name: "task-exec's helper", samples: own.map(({ helper }) => helper) },
      [bare]
    )
  ]
})
