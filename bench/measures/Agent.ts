/** `agent`: commands in tasks on other nodes through resident agents, which create no object for a run. */
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { runGroup } from "../../test/cluster/ProcessGroup.ts"
import { compare, compareMeasured } from "../Comparison.ts"
import { type Bench, bareNode, dockerExec, halved, on, quartered, taskExec } from "../Contenders.ts"
import { most, startMany } from "../Many.ts"
import { inTurns, type MeasureOptions, measure, runTimeout } from "../Measure.ts"
import { memoryIn } from "./HelperMemory.ts"
import { peakOf } from "./Memory.ts"

const project = join(import.meta.dirname, "../..")

/** Deploys agents on every node until the scope closes. `folder`: the project's folder with their build. */
export const agents = ({ env }: Pick<MeasureOptions, "env">, folder = project) => {
  const program = join(folder, "dist/swarm-exec.cjs")
  const swarmExec = (action: string) =>
    runGroup([process.execPath, program, "agent", action], { env, timeout: runTimeout })
  return Effect.acquireRelease(swarmExec("up"), () => Effect.orDie(swarmExec("down")))
}

/** Measures one command, many commands at once, and the memory of agents. */
export const agent = Effect.fn("Measure.agent")(function* ({ options, ssh, stage }: Bench) {
  const { manager, remote } = stage
  yield* Console.error("deploying agents")
  yield* agents(options)
  const idle = yield* memoryIn(remote.node, "task-exec.agent")
  const fromElsewhere = taskExec("--via", "agent", remote.target, "true")
  const byAgent = on(manager, fromElsewhere)
  const byHelper = taskExec("--via", "helper", remote.target, "true")
  const one = yield* measure(
    "commands by an agent",
    [
      byAgent,
      { ...fromElsewhere, name: `${fromElsewhere.name}, from another machine` },
      dockerExec("docker exec, on the node itself", remote.node.dockerHost, remote, ["true"]),
      dockerExec("docker -H ssh://… exec", ssh.cold, remote, ["true"]),
      dockerExec("docker -H ssh://… exec, over a connection that stays open", ssh.kept, remote, ["true"]),
      byHelper
    ],
    options
  )
  const [node = []] = yield* inTurns([peakOf(bareNode, options)], halved(options).runs)
  const dockerExecs = yield* startMany({ options, stage }, most)
  const many = yield* measure(
    "commands in many tasks by agents",
    [on(manager, taskExec("--via", "agent", "--all", "many", "true")), yield* dockerExecs(most), byAgent, byHelper],
    quartered(options)
  )
  const about = { measure: "agent", unit: "seconds" } as const
  return [
    ...compareMeasured({ ...about, title: "A command in a task on another node, through an agent" }, one),
    ...compareMeasured({ ...about, title: `A fan-out over ${most} tasks, through agents` }, many),
    compare(
      { measure: "agent", unit: "bytes", title: "Memory of an idle agent" },
      { name: "resident", samples: idle.map((of) => of("VmRSS")) },
      [
        { name: "private", samples: idle.map((of) => of("RssAnon")) },
        { name: bareNode.name, samples: node.slice(0, 1) }
      ]
    )
  ]
}, Effect.scoped)
