/** `cold`: a command in a task on another node, with no connection or agent that a run could reuse. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { rolldown } from "rolldown"
import { compare, whole } from "../Comparison.ts"
import { type Bench, dockerExec, taskExec } from "../Contenders.ts"
import { type Contender, type MeasureOptions, measure } from "../Measure.ts"
import type { Stage } from "../Stage.ts"

/** The smallest temporary service, with busybox and with our image. A bundle, because stripping types takes Node some time. */
export const bareHelpers = Effect.fnUntraced(function* (
  { dir }: Pick<MeasureOptions, "dir">,
  { busybox, manager, pinned, remote }: Stage
) {
  const program = join(dir, "bare-helper.mjs")
  yield* Effect.promise(async () => {
    await using bundle = await rolldown({ input: join(import.meta.dirname, "..", "BareHelper.ts"), platform: "node" })
    await bundle.write({ file: program, format: "esm" })
  })
  const bare = (name: string, image: string, command: ReadonlyArray<string>): Contender => {
    const notes = join(dir, `${name}.notes`)
    const argv = [process.execPath, program, manager.socket, image, remote.node.nodeId, notes, ...command]
    return { name, argv, notes }
  }
  return {
    busybox: bare("a bare helper", busybox, ["echo", "ready"]),
    ours: bare("a bare helper of task-exec's image", pinned, ["node", "-e", "console.log('ready')"])
  }
})

/** Compares the routes to another node. */
export const cold = Effect.fn("Measure.cold")(function* ({ options, original, ssh, stage }: Bench) {
  const { remote } = stage
  const { node } = remote
  const bare = yield* bareHelpers(options, stage)
  const measured = yield* measure(
    "commands on another node",
    [
      taskExec(remote.target, "true"),
      dockerExec("docker exec, on the node itself", node.dockerHost, remote, ["true"]),
      dockerExec("docker -H ssh://… exec", ssh.cold, remote, ["true"]),
      dockerExec("docker -H ssh://… exec, over a connection that stays open", ssh.kept, remote, ["true"]),
      bare.busybox,
      bare.ours,
      ...(original === undefined ? [] : [original.taskExec(remote.taskId, "true")])
    ],
    options
  )
  const untilFirstLine = measured.flatMap(({ contender, notes }) =>
    notes.length === 0
      ? []
      : [{ name: `${contender.name}, to the first line of its log`, samples: notes.map((millis) => millis / 1000) }]
  )
  const [ours, ...others] = measured.map(whole)
  const about = { measure: "cold", title: "A command in a task on another node", unit: "seconds" } as const
  return ours === undefined ? [] : [compare(about, ours, [...others, ...untilFirstLine])]
})
