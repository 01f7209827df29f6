/** Finds the connected engine's node and the agents while a task is looked up: their responses take as long as those about the task. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type FindAgents, wantsAgent } from "../agent/AgentConnection.ts"
import { runningAgents } from "../agent/Agents.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import { memoize } from "../internal/memoize.ts"
import type { Via } from "../request/Via.ts"
import type { OnNode } from "../target/Lookup.ts"
import { localNode } from "./Route.ts"

/** What the way to a task's node needs to know. Each part is requested once, at first use. */
export interface Search {
  /** ID of the connected engine's node. */
  readonly connectedNode: Effect.Effect<string, SwarmFailure, Swarm>
  readonly agents: FindAgents
  /** For the lookup: requests the agents as soon as the task's node is known, if the way to it may need one. */
  readonly onNode: OnNode
}

/** Makes the search of one run. Its requests end with the scope. */
export const openSearch = Effect.fnUntraced(function* (via: Via): Effect.fn.Return<Search, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const scope = yield* Effect.scope
  const connectedNode = yield* memoize(localNode)
  const agents = yield* memoize(runningAgents)
  const onNode: OnNode = (node) =>
    connectedNode.pipe(
      Effect.flatMap((connected) => (wantsAgent(via, connected, node) ? agents : Effect.void)),
      // The connection that uses the result receives its error.
      Effect.ignore,
      Effect.provideService(Swarm, swarm),
      Effect.forkIn(scope),
      Effect.asVoid
    )
  return { connectedNode, agents, onNode }
})
