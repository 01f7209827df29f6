/** A service with many tasks on all nodes, and `docker exec` in each of them. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type RunningTask, service, waitRunning } from "../test/cluster/Services.ts"
import type { Bench } from "./Contenders.ts"
import type { Contender } from "./Measure.ts"

/** The number of tasks of a large fan-out. */
export const most = 150
/** Commands at the same time: the default of task-exec. */
const atOnce = 32

/**
 * Starts `size` tasks until the scope closes. Returns contenders that run `docker exec` in some of these tasks, each through the engine of
 * its node.
 */
export const startMany = Effect.fn("Many.start")(function* (bench: Pick<Bench, "options" | "stage">, size: number) {
  const { busybox, manager } = bench.stage
  yield* Console.error(`starting ${size} tasks`)
  yield* service(manager.socket, { name: "many", image: busybox, replicas: size })
  const tasks = yield* waitRunning(manager.socket, "many", size, 600_000)
  return (count: number) => execInEach(bench, `many-${count}`, tasks.slice(0, count))
})

/** Runs `docker exec` in each of these tasks through the engine of its node. `name` is the name of a file for it. */
export const execInEach = Effect.fnUntraced(function* (
  { options, stage }: Pick<Bench, "options" | "stage">,
  name: string,
  tasks: ReadonlyArray<RunningTask>
) {
  const lines = tasks.map(({ containerId, nodeId }) => {
    const node = stage.nodes.find((one) => one.nodeId === nodeId)
    return `${node?.dockerHost} ${containerId}\n`
  })
  const file = join(options.dir, name)
  yield* Effect.promise(() => writeFile(file, lines.join("")))
  const each = ["sh", "-c", 'docker -H "$0" exec "$1" true']
  const contender: Contender = {
    name: `docker exec in ${tasks.length === 1 ? "it" : "each"}, on the nodes themselves, ${atOnce} at once`,
    argv: ["xargs", "-a", file, "-n", "2", "-P", String(atOnce), ...each]
  }
  return contender
})
