/** `fan-out`: a command in many tasks, beside the same in one. */
import * as Effect from "effect/Effect"
import { waitRunning } from "../../test/cluster/Services.ts"
import { compare, whole } from "../Comparison.ts"
import { execInEach, most, startMany } from "../Many.ts"
import { measure } from "../Measure.ts"
import { type Bench, quartered, taskExec } from "../Ways.ts"

/** How many tasks a command is for. */
const sizes = [1, 10, 30, most] as const

/** Some of the tasks of a service that has many, on all nodes; and a service that has one on each node. */
export const fanOut = Effect.fn("Measure.fan-out")(function* (bench: Bench) {
  const { manager, nodes, remote, web } = bench.stage
  const alone = {
    title: `A fan-out over ${nodes.length} tasks, each alone on its node`,
    ours: taskExec("--all", web, "true"),
    docker: yield* execInEach(bench, "alone", yield* waitRunning(manager.socket, web, nodes.length))
  }
  const dockerExecs = yield* startMany(bench)
  const ofMany = yield* Effect.forEach(sizes, (size) =>
    Effect.map(dockerExecs(size), (docker) => ({
      title: `A fan-out over ${size === 1 ? "one task" : `${size} tasks`}`,
      // The one is on another node, as the one beside it is.
      ours: taskExec(
        "--all",
        ...(size === 1 ? ["--node", remote.node.name] : []),
        "--limit",
        String(size),
        "many",
        "true"
      ),
      docker
    }))
  )
  const all = [alone, ...ofMany]
  const [one, ...measured] = (yield* measure(
    "commands in many tasks",
    [taskExec(remote.target, "true"), ...all.map(({ ours }) => ours), ...all.map(({ docker }) => docker)],
    quartered(bench.options)
  )).map(whole)
  return all.flatMap(({ title }, at) => {
    const [ours, docker] = [measured[at], measured[all.length + at]]
    const beside = one === undefined ? [] : [{ ...one, name: `a command in one task: ${one.name}` }]
    return ours === undefined || docker === undefined
      ? []
      : [compare({ measure: "fan-out", title, unit: "seconds" }, ours, [docker, ...beside])]
  })
}, Effect.scoped)
