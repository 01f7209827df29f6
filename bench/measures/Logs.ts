/** `logs`: the whole log of a task on another node, and the number of lines that arrive. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { containerLog } from "../../test/cluster/ContainerLog.ts"
import { pollUntil } from "../../test/cluster/Poll.ts"
import { service, waitRunning } from "../../test/cluster/Services.ts"
import { compare, compareMeasured } from "../Comparison.ts"
import { type Bench, quartered, taskExec } from "../Contenders.ts"
import { type Contender, measure, WrongResult } from "../Measure.ts"

const lines = 1_000_000
const name = "logged"
const last = "the last line"

/** Writes lines of about 75 bytes, and waits. */
const writer = `awk 'BEGIN { for (i = 1; i < ${lines}; i++) print "line " i " of a log that looks as if a server wrote it, GET /health 200 3ms" }'; echo ${last}; exec sleep 1000000`

/** A command whose lines each run counts. */
const counted = (dir: string, at: number, { argv, name }: Contender): Contender => {
  const notes = join(dir, `lines-${at}.note`)
  return { name, notes, argv: ["bash", "-o", "pipefail", "-c", '"$@" | wc -l >>"$0"', notes, ...argv] }
}

/** Reads the log by task-exec's default route, from the managers, and from the node's own engine. */
export const logs = Effect.fn("Measure.logs")(function* ({ options, stage }: Bench) {
  const { busybox, manager, remote } = stage
  const { socket } = remote.node
  yield* service(manager.socket, { name, image: busybox, node: remote.node.name, command: ["sh", "-c", writer] })
  const [task] = yield* waitRunning(manager.socket, name, 1)
  const container = task?.containerId ?? ""
  const isWhole = Effect.map(containerLog(socket, container, { tail: "1" }), ({ all }) => all.includes(last))
  const missing = new WrongResult({ command: "the service", detail: "it does not write its log" })
  yield* pollUntil(isWhole, { every: 1000, atMost: 300_000, orElse: Effect.fail(missing) })
  const docker = (about: string, ...argv: ReadonlyArray<string>): Contender => ({
    name: about,
    argv: ["docker", "-H", ...argv]
  })
  const contenders = [
    taskExec("logs", `${name}.1`),
    docker("docker service logs --raw", manager.dockerHost, "service", "logs", "--raw", name),
    docker("docker logs, on the node itself", remote.node.dockerHost, "logs", container)
  ].map((one, at) => counted(options.dir, at, one))
  const title = `A log of ${lines} lines of a task on another node`
  const measured = yield* measure("logs", contenders, quartered(options))
  const [ours, ...others] = measured.map(({ contender, notes }) => ({
    name: contender.name,
    samples: notes.map((count) => lines - count)
  }))
  return [
    ...compareMeasured({ measure: "logs", title, unit: "seconds" }, measured),
    ...(ours === undefined
      ? []
      : [compare({ measure: "logs", title: `${title}: lines lost`, unit: "objects" }, ours, others)])
  ]
}, Effect.scoped)
