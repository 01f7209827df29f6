/** The requests to the engines and the objects of a run, and the size of the image. The limits are in `test/Limits.ts`. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { get } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { eventsSince } from "../cluster/Events.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import {
  agentRun,
  agentSocketRun,
  guardedRun,
  imageSizes,
  localRun,
  logsRun,
  type RunCost,
  tunnelRun
} from "../Limits.ts"
import { Agents, checkLeftovers, type ProcessOptions, program, programOn, Web } from "./Harness.ts"

checkLeftovers()

const hint = "If that is meant, change test/Limits.ts."

/** `GET /services?filters=…` without what differs from run to run. */
const kindOf = (line: string): string =>
  line
    .replace(/\?.*/, "")
    .replace(/(?<=\/images\/).+(?=\/json$)/, "NAME")
    .replace(/(?<=\/(?:services|tasks|nodes|containers|exec|secrets|networks)\/)(?!create$|json$)[^/]+/, "ID")

const count = (names: ReadonlyArray<string>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** The events on every node since a Unix time in milliseconds. */
const everywhereSince = Effect.fnUntraced(function* (since: number) {
  const { nodes } = yield* SwarmCluster
  return (yield* Effect.forEach(nodes, ({ socket }) => eventsSince(socket, since))).flat()
})

/** The kinds and names of the objects that were created in the swarm since then. No other program uses this swarm. */
const createdSince = (since: number) =>
  Effect.map(everywhereSince(since), (events) =>
    events
      .filter(({ Action }) => Action === "create")
      // The network of a swarm is also created on each node that uses it.
      .filter(({ scope, Type }) => scope === "swarm" || Type !== "network")
      .map(({ Actor, Type }) => ({ kind: Type, name: Actor.Attributes.name ?? "" }))
  )

/** Runs until the search for leftovers has requested its last list. */
const waiting = "until [ -e /tmp/go ]; do sleep 0.1; done; rm /tmp/go"
const lastOfSweep = /^GET \/networks\?.*task-exec\.run/

/** Runs a command and counts its requests and objects. */
const costs = (
  expected: RunCost,
  where: "local" | "remote",
  from: "inside" | "outside",
  {
    flags = [],
    ...input
  }: Pick<ProcessOptions, "input" | "keepsInput"> & { readonly flags?: ReadonlyArray<string> } = {}
) =>
  Effect.gen(function* () {
    const web = yield* Web
    const { manager } = yield* SwarmCluster
    const task = web[where]
    const since = Date.now()
    const proxy = yield* engineProxy(manager.socket)
    // A command can read a line only when its tunnel is open.
    const args = [
      ...flags,
      web.target(task),
      "sh",
      "-c",
      input.keepsInput === true ? `read -r line; ${waiting}` : waiting
    ]
    const options = { ...input, env: { DOCKER_HOST: proxy.dockerHost } }
    const swept = Effect.sync(() => proxy.requests.some((line) => lastOfSweep.test(line)))
    const [result] = yield* Effect.all(
      [
        from === "inside"
          ? programOn(manager, "task-exec.cjs", args, options)
          : program("task-exec.cjs", args, options),
        pollUntil(swept, { atMost: 120_000, orElse: Effect.die("no sweep was requested") }).pipe(
          Effect.andThen(execIn(web.nodeOf(task).socket, task.containerId, ["touch", "/tmp/go"]))
        )
      ],
      { concurrency: 2 }
    )
    assert.deepStrictEqual([result.code, result.stderr], [0, ""])
    const requests: Record<string, number | "polled"> = count(proxy.requests.map(kindOf))
    for (const [kind, times] of Object.entries(expected.requests)) {
      if (times === "polled" && requests[kind] !== undefined) requests[kind] = times
    }
    const made = yield* createdSince(since)
    const created = count(made.map(({ kind }) => kind))
    const all = [...proxy.requests, ...made.map(({ kind, name }) => `made: ${kind} ${name}`)].join("\n")
    assert.deepStrictEqual({ requests, created }, expected, `${hint} All:\n${all}`)
  })

layer(Web.layer("costs"), { excludeTestServices: true, timeout: "180 seconds" })(
  "the number of requests and objects",
  (it) => {
    it.effect("local", () => costs(localRun, "local", "inside"))
    it.effect("local, from a container", () => costs(guardedRun, "local", "outside"))
    it.effect("by a helper", () => costs(logsRun, "remote", "outside"))
    it.effect("by a helper, with input that has ended", () => costs(logsRun, "remote", "outside", { flags: ["-i"] }))
    it.effect("by a helper, with continuing input", () =>
      costs(tunnelRun, "remote", "outside", { input: "a line\n", keepsInput: true, flags: ["-i"] })
    )
  }
)

layer(Layer.provideMerge(Web.layer("costs"), Agents), { excludeTestServices: true, timeout: "180 seconds" })(
  "the cost of a run with agents",
  (it) => {
    it.effect("local", () => costs(localRun, "local", "inside"))
    it.effect("by an agent", () => costs(agentRun, "remote", "outside"))
    it.effect("by an agent on the connected engine", () => costs(agentSocketRun, "remote", "inside"))
    it.effect("by an agent, with stdin", () => costs(agentRun, "remote", "outside", { flags: ["-i"] }))
  }
)

const Image = Schema.Struct({ Size: Schema.Int })
const History = Schema.Array(Schema.Struct({ CreatedBy: Schema.String, Size: Schema.Int }))

describe("the image", () => {
  layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("has a size within its limit", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const path = `/images/${process.env.TASK_EXEC_IMAGE}`
        const { Size } = yield* get(manager.socket, `${path}/json`, Image)
        const history = yield* get(manager.socket, `${path}/history`, History)
        const ours = history.filter(({ CreatedBy }) => CreatedBy.includes("task-exec"))
        assert.isAbove(ours.length, 0)
        const sizes = new Map([
          ["image", Size],
          ["image: ours", ours.reduce((sum, layer) => sum + layer.Size, 0)]
        ])
        const over = imageSizes.flatMap(({ atMost, of, why }) => {
          const size = sizes.get(of) ?? Number.NaN
          return size <= atMost ? [] : [`${of} has ${size} bytes, and ${atMost} is the limit: ${why}`]
        })
        assert.deepStrictEqual(over, [], `${hint} ${JSON.stringify(history)}`)
      })
    )
  })
})
