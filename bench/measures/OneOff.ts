/** `one-off`: a command in a new task of a service. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, halved, on, taskExec } from "../Contenders.ts"
import { type Contender, measure } from "../Measure.ts"
import type { TaskOnNode } from "../Stage.ts"

/**
 * Swarm's own way: a service in job mode, whose output is its log. The client waits for the job's end, but does not return its exit code.
 */
const job = (host: string, image: string, { node }: TaskOnNode): Contender => {
  const docker = `docker -H ${host}`
  const flags = `--quiet --mode replicated-job --restart-condition none --constraint node.id==${node.nodeId}`
  const script = `id=$(${docker} service create ${flags} ${image} true) && ${docker} service logs "$id" && ${docker} service rm "$id" > /dev/null`
  return { name: "docker service create --mode replicated-job … true, with its log", argv: ["sh", "-c", script] }
}

/** Measures a one-off task on the connected engine's node and on another one. */
export const oneOff = Effect.fn("Measure.oneOff")(function* ({ options, stage }: Bench) {
  const { busybox, local, manager, remote, web } = stage
  const places = [
    { task: local, where: "on the connected engine" },
    { task: remote, where: "on another node" }
  ]
  const compared = yield* Effect.forEach(places, ({ task, where }) =>
    Effect.gen(function* () {
      yield* Console.error(`measuring one-off tasks ${where}`)
      const measured = yield* measure(
        `one-off tasks ${where}`,
        [
          // The API calls the command of a service its entrypoint.
          on(manager, taskExec("run", "--entrypoint", "true", `${web}@${task.node.name}`)),
          on(manager, job(manager.dockerHost, busybox, task))
        ],
        halved(options)
      )
      return compareMeasured(
        { measure: "one-off", title: `One more task of a service ${where}`, unit: "seconds" },
        measured
      )
    })
  )
  return compared.flat()
})
