/** `ssh`: commands of a caller that reaches the connected engine through SSH. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { openSsh, type Ssh } from "../../test/cluster/Ssh.ts"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, dockerExec, halved, taskExec } from "../Contenders.ts"
import { type Contender, measure } from "../Measure.ts"
import type { TaskOnNode } from "../Stage.ts"

const kept = "over a connection that stays open"

/**
 * Measures a command in a task: task-exec through SSH to the manager, and docker's client through SSH to the task's own node. A new SSH
 * connection takes much of the time, so one that stays open is measured, too.
 */
const compareWays = Effect.fnUntraced(function* (
  { options }: Bench,
  title: string,
  { task, toManager, toNode }: { readonly task: TaskOnNode; readonly toManager: Ssh; readonly toNode: Ssh }
) {
  const { PATH = "" } = options.env
  const withSsh = ({ bin }: Ssh, host: string, { argv, name }: Contender): Contender => ({
    name,
    argv: ["env", `PATH=${bin}:${PATH}`, `DOCKER_HOST=${host}`, ...argv]
  })
  const ours = taskExec(task.target, "true")
  const name = `DOCKER_HOST=ssh://… ${ours.name}`
  const docker = (about: string, host: string) =>
    withSsh(toNode, host, dockerExec(`docker -H ssh://… exec${about}`, host, task, ["true"]))
  const measured = yield* measure(
    `commands through SSH, in ${task.target}`,
    [
      withSsh(toManager, toManager.cold, { ...ours, name }),
      withSsh(toManager, toManager.kept, { ...ours, name: `${name}, ${kept}` }),
      docker("", toNode.cold),
      docker(`, ${kept}`, toNode.kept)
    ],
    halved(options)
  )
  return compareMeasured({ measure: "ssh", title, unit: "seconds" }, measured)
})

/** In a task on the connected engine, and in one on another node, which task-exec reaches by a helper. */
export const throughSsh = Effect.fn("Measure.ssh")(function* (bench: Bench) {
  const { local, manager, remote } = bench.stage
  const toManager = yield* openSsh(join(bench.options.dir, "manager"), manager)
  const places = [
    { title: "A command in a task on the engine that the caller reaches through SSH", task: local, toNode: toManager },
    {
      title: "A command in a task on another node than that of the engine that the caller reaches through SSH",
      task: remote,
      toNode: bench.ssh
    }
  ]
  const compared = yield* Effect.forEach(places, ({ title, ...one }) =>
    compareWays(bench, title, { ...one, toManager })
  )
  return compared.flat()
}, Effect.scoped)
