/** `content`: much output of a task on another node, as compressible text and as random bytes. */
import { randomBytes } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { runGroup } from "../../test/cluster/ProcessGroup.ts"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, dockerExec, quartered, taskExec } from "../Contenders.ts"
import { type Contender, type MeasureOptions, measure, runTimeout } from "../Measure.ts"
import type { TaskOnNode } from "../Stage.ts"

const paths = ["/", "/health", "/api/v1/orders", "/api/v1/orders/{id}/items", "/login", "/assets/app.js"]
const statuses = [200, 200, 200, 200, 201, 204, 304, 404, 500]

/**
 * Lines as in the log of a web server: time, ID, address, request and result. A Lehmer generator makes the same lines each time. zstd at
 * its fastest level makes them 3.4 times smaller.
 */
export const logLines = (bytes: number): Buffer => {
  let state = 1
  const below = (limit: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % limit
  }
  const text = Buffer.alloc(bytes, "\n")
  let millis = Date.UTC(2026, 0, 1)
  for (let at = 0; at < bytes; ) {
    millis += below(40)
    const id = `${below(2 ** 30).toString(16)}${below(2 ** 30).toString(16)}`
    const request = `${paths[below(paths.length)]} ${statuses[below(statuses.length)]} ${below(30_000)} ${below(900)}ms`
    at += text.write(
      `${new Date(millis).toISOString()} INFO ${id} 10.0.${below(256)}.${below(256)} GET ${request}\n`,
      at
    )
  }
  return text
}

/** Creates a file in the task's container, for a command that is measured repeatedly. */
const put = Effect.fnUntraced(function* ({ env, dir }: MeasureOptions, task: TaskOnNode, file: string, bytes: Buffer) {
  const input = join(dir, "content")
  yield* Effect.promise(() => writeFile(input, bytes))
  const { argv } = dockerExec("", task.node.dockerHost, task, ["sh", "-c", `cat >${file}`], ["-i"])
  yield* runGroup(["sh", "-c", 'exec "$@" <"$0"', input, ...argv], { env, timeout: runTimeout })
})

/** Measures each kind of output by the default route and by `docker exec`. */
export const content = Effect.fn("Measure.content")(function* ({ megabytes, options, ssh, stage }: Bench) {
  const { remote } = stage
  const bytes = megabytes * 1_000_000
  const kinds = [
    { file: "/tmp/log-lines", name: "log lines", make: () => logLines(bytes) },
    { file: "/tmp/random", name: "random bytes", make: () => randomBytes(bytes) }
  ]
  const compared = yield* Effect.forEach(kinds, ({ file, make, name }) =>
    Effect.gen(function* () {
      yield* put(options, remote, file, make())
      const command = ["cat", file]
      const what = `${megabytes} MB of ${name} from a task on another node`
      const contenders: ReadonlyArray<Contender> = [
        taskExec(remote.target, ...command),
        dockerExec("docker -H ssh://… exec", ssh.cold, remote, command),
        dockerExec("docker exec, on the node itself", remote.node.dockerHost, remote, command)
      ]
      const measured = yield* measure(
        what,
        contenders.map((one) => ({ ...one, bytes })),
        quartered(options)
      )
      return compareMeasured({ measure: "content", title: what, unit: "seconds", moved: bytes }, measured)
    })
  )
  return compared.flat()
})
