/** `fan-out`: a command in many tasks, beside the same in one. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { service, waitRunning } from "../../test/cluster/Services.ts"
import { compare, whole } from "../Comparison.ts"
import { measure } from "../Measure.ts"
import { type Bench, quartered, taskExec } from "../Ways.ts"

/** How many tasks a command is for. */
const sizes = [1, 10, 30, 150] as const
const most = Math.max(...sizes)

/** Some of the tasks of a service that has many, on all nodes. One is on another node, as the one beside it is. */
export const fanOut = Effect.fn("Measure.fan-out")(function* ({ options, stage }: Bench) {
  const { busybox, manager, remote } = stage
  yield* Console.error(`starting ${most} tasks`)
  yield* service(manager.socket, { name: "many", image: busybox, replicas: most })
  yield* waitRunning(manager.socket, "many", most, 600_000)
  const over = (size: number) =>
    size === 1
      ? taskExec("--all", "--node", remote.node.name, "--limit", "1", "many", "true")
      : taskExec("--all", "--limit", String(size), "many", "true")
  const [one, ...many] = (yield* measure(
    "commands in many tasks",
    [taskExec(remote.target, "true"), ...sizes.map(over)],
    quartered(options)
  )).map(whole)
  return many.flatMap((ours, at) => {
    const title = `A fan-out over ${sizes[at] === 1 ? "one task" : `${sizes[at]} tasks`}`
    const beside = one === undefined ? [] : [{ ...one, name: `a command in one task: ${one.name}` }]
    return [compare({ measure: "fan-out", title, unit: "seconds" }, ours, beside)]
  })
}, Effect.scoped)
