/** `fan-out` and `large-fan-out`: a command in many tasks, compared with the same command in one. */
import * as Effect from "effect/Effect"
import { waitRunning } from "../../test/cluster/Services.ts"
import { compare, whole } from "../Comparison.ts"
import { type Bench, quartered, taskExec } from "../Contenders.ts"
import { execInEach, most, startMany } from "../Many.ts"
import { type Contender, measure } from "../Measure.ts"
import type { MeasureName } from "../Options.ts"

/** A fan-out, and `docker exec` in the same tasks. */
interface FanOut {
  readonly title: string
  readonly ours: Contender
  readonly docker: Contender
}

/** One task of each node. */
const alone = Effect.fnUntraced(function* (bench: Bench) {
  const { manager, nodes, web } = bench.stage
  const fan: FanOut = {
    title: `A fan-out over ${nodes.length} tasks, one per node`,
    ours: taskExec("--all", web, "true"),
    docker: yield* execInEach(bench, "alone", yield* waitRunning(manager.socket, web, nodes.length))
  }
  return fan
})

/** Some tasks of a service that has many, on all nodes. */
const some = (bench: Bench, sizes: ReadonlyArray<number>) =>
  Effect.flatMap(startMany(bench, Math.max(...sizes)), (dockerExecs) =>
    Effect.forEach(sizes, (size) =>
      Effect.map(dockerExecs(size), (docker): FanOut => {
        // The only task is on another node, as is that of the single command.
        const there = size === 1 ? ["--node", bench.stage.remote.node.name] : []
        return {
          title: `A fan-out over ${size === 1 ? "one task" : `${size} tasks`}`,
          ours: taskExec("--all", ...there, "--limit", String(size), "many", "true"),
          docker
        }
      })
    )
  )

/** Measures the fan-outs and one command in one task in turn. */
const compareFanOuts = Effect.fnUntraced(function* (name: MeasureName, bench: Bench, all: ReadonlyArray<FanOut>) {
  const [one, ...measured] = (yield* measure(
    "commands in many tasks",
    [taskExec(bench.stage.remote.target, "true"), ...all.map(({ ours }) => ours), ...all.map(({ docker }) => docker)],
    quartered(bench.options)
  )).map(whole)
  return all.flatMap(({ title }, at) => {
    const [ours, docker] = [measured[at], measured[all.length + at]]
    const beside = one === undefined ? [] : [{ ...one, name: `a command in one task: ${one.name}` }]
    return ours === undefined || docker === undefined
      ? []
      : [compare({ measure: name, title, unit: "seconds" }, ours, [docker, ...beside])]
  })
})

/** Fan-outs of up to 30 tasks. */
export const fanOut = Effect.fn("Measure.fan-out")(function* (bench: Bench) {
  return yield* compareFanOuts("fan-out", bench, [yield* alone(bench), ...(yield* some(bench, [1, 10, 30]))])
}, Effect.scoped)

/** A fan-out of as many tasks as three nodes with two cores can run. */
export const largeFanOut = Effect.fn("Measure.large-fan-out")(function* (bench: Bench) {
  return yield* compareFanOuts("large-fan-out", bench, yield* some(bench, [most]))
}, Effect.scoped)
