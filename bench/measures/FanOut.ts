/** `fan-out`: a command in many tasks, beside the same in one. */
import * as Effect from "effect/Effect"
import { compare, whole } from "../Comparison.ts"
import { most, startMany } from "../Many.ts"
import { measure } from "../Measure.ts"
import { type Bench, quartered, taskExec } from "../Ways.ts"

/** How many tasks a command is for. */
const sizes = [1, 10, 30, most] as const

/** Some of the tasks of a service that has many, on all nodes. One is on another node, as the one beside it is. */
export const fanOut = Effect.fn("Measure.fan-out")(function* (bench: Bench) {
  const { remote } = bench.stage
  const dockerExecs = yield* startMany(bench)
  const over = (size: number) =>
    size === 1
      ? taskExec("--all", "--node", remote.node.name, "--limit", "1", "many", "true")
      : taskExec("--all", "--limit", String(size), "many", "true")
  const byDocker = yield* Effect.forEach(sizes, dockerExecs)
  const [one, ...all] = (yield* measure(
    "commands in many tasks",
    [taskExec(remote.target, "true"), ...sizes.map(over), ...byDocker],
    quartered(bench.options)
  )).map(whole)
  return sizes.flatMap((size, at) => {
    const [ours, docker] = [all[at], all[sizes.length + at]]
    const title = `A fan-out over ${size === 1 ? "one task" : `${size} tasks`}`
    const beside = one === undefined ? [] : [{ ...one, name: `a command in one task: ${one.name}` }]
    return ours === undefined || docker === undefined
      ? []
      : [compare({ measure: "fan-out", title, unit: "seconds" }, ours, [docker, ...beside])]
  })
}, Effect.scoped)
