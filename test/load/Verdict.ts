/** Checks a swarm after any load: no engine has crashed, and nothing is left. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { crashIn } from "../cluster/EngineCrash.ts"
import { agentObjects, leftovers } from "../cluster/Leftovers.ts"
import { poll } from "../cluster/Poll.ts"
import type { SwarmClusterShape } from "../cluster/SwarmCluster.ts"

/** How long containers and processes may take to end, in milliseconds. */
const cleanUpTimeout = 120_000

const left = Effect.fnUntraced(function* (cluster: SwarmClusterShape) {
  const ours = yield* leftovers(cluster, { timeout: 0 })
  const agents = yield* agentObjects(cluster)
  return [...ours, ...agents.map((name) => `of the agents: ${name}`)].map((text) => `left behind: ${text}`)
})

/** The problems of the swarm. Empty if there is none. */
export const complaints = Effect.fnUntraced(function* (cluster: SwarmClusterShape) {
  const crash = yield* crashIn(cluster)
  if (crash !== undefined) return [crash.message]
  const gone = Effect.map(left(cluster), (items) => (items.length === 0 ? Option.some(items) : Option.none()))
  return yield* poll(gone, { every: 1000, atMost: cleanUpTimeout, orElse: left(cluster) })
})
