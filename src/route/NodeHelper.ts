/** One helper for many tasks of its node: every command has a channel of the helper's tunnel, and begins when it is told to. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AgentLink } from "../agent/AgentLink.ts"
import type { AgentUnavailable } from "../agent/Agents.ts"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { type Ending, unconfirmed } from "../executor/ExecutorErrors.ts"
import { once } from "../internal/Once.ts"
import type { Ownership } from "../Labels.ts"
import type { Via } from "../request/Via.ts"
import { decodeDocument } from "../wire/Frame.ts"
import { encodeOrder } from "../wire/Order.ts"
import { type Incoming, type Tunnel, TunnelLost } from "../wire/Tunnel.ts"
import { type Conversation, checkHello, converse } from "./Conversation.ts"
import type { HelperPlace } from "./Helper.ts"
import { HelperFailed, type HelperRefused } from "./HelperErrors.ts"
import { endManyByHelper } from "./HelperRoute.ts"
import { openHelperTunnel, type TunnelError } from "./HelperTunnel.ts"
import type { TunnelNetwork } from "./TunnelNetwork.ts"
import { secondHelperPatience } from "./TunnelRoute.ts"

/** In what ways the helper does not come up. */
export type NodeHelperError = TunnelError | HelperRefused | AgentUnavailable

/** A helper for some commands on one node. */
export interface NodeHelper {
  /** Whether it is the node's agent that does it, or a helper. Known as soon as the agent was reached, or was not. */
  readonly route: Effect.Effect<"agent" | "helper:tunnel", AgentUnavailable | SwarmFailure, DockerEngine>
  /** Runs the command of this index, once. */
  readonly exec: (index: number, input: ExecInput) => Conversation<NodeHelperError, DockerEngine>
}

/** How the node's agent is reached, if it is. */
export type NodeLink = Effect.Effect<
  AgentLink | Exclude<Via, "agent">,
  AgentUnavailable | SwarmFailure,
  DockerEngine | Scope.Scope
>

/** It is made when the first command is to run, unless there is a `link` to an agent, and is gone when the scope is closed. */
export const openNodeHelper = Effect.fn("TaskExec.nodeHelper")(function* (
  place: HelperPlace,
  owner: Ownership,
  specs: readonly [ExecSpec, ...ReadonlyArray<ExecSpec>],
  toAgent: NodeLink,
  network?: TunnelNetwork
): Effect.fn.Return<NodeHelper, never, Scope.Scope> {
  const link = yield* once(toAgent)
  const tunnel = yield* once(
    Effect.flatMap(link, (agent) =>
      greetedBy(
        place,
        typeof agent === "string"
          ? Effect.map(openHelperTunnel(place, owner, { _tag: "ExecMany", specs }, network), (made) => made.tunnel)
          : agent.ask(owner, { _tag: "ExecMany", specs })
      )
    )
  )
  const underWay = new Map<string, EndRun>()
  // All that were under way when the connection was lost, at once.
  const endings = yield* once(
    Effect.suspend(() => {
      const [first, ...more] = underWay.values()
      if (first === undefined) return Effect.succeed(new Map<string, Ending>())
      const runs = [first, ...more] as const
      return Effect.map(
        endManyByHelper({ ...place, placementTimeout: secondHelperPatience }, runs),
        (all) =>
          new Map(
            runs.map(({ runId }, i) => [runId, all[i] ?? unconfirmed("the helper did not report on it")] as const)
          )
      )
    })
  )
  const endElsewhere = ({ runId }: EndRun): Effect.Effect<Ending, never, DockerEngine> =>
    Effect.suspend(() =>
      underWay.has(runId)
        ? Effect.map(endings, (all) => all.get(runId) ?? unconfirmed("the connection to its helper was lost"))
        : // It was not told to begin.
          Effect.succeed<Ending>({ _tag: "Killed" })
    )

  const exec = (index: number, input: ExecInput) => {
    const spec = specs[index] ?? specs[0]
    const { container, grace, runId, signal } = spec
    const open = Effect.gen(function* () {
      const channel = (yield* tunnel).channel(index + 1)
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          channel.close,
          Effect.sync(() => underWay.delete(runId))
        )
      )
      underWay.set(runId, { runId, container, signal, grace })
      // Where it can't be sent the channel fails too.
      yield* Effect.ignore(channel.send(encodeOrder({ _tag: "Begin" })))
      return channel
    })
    return converse({ node: place.node.hostname, spec, input, open, endElsewhere })
  }
  return { exec, route: Effect.map(link, (agent) => (typeof agent === "string" ? "helper:tunnel" : "agent")) }
})

/** Done when the helper has said hello. */
const greetedBy = Effect.fnUntraced(function* (
  place: HelperPlace,
  open: Effect.Effect<Tunnel, TunnelError, DockerEngine | Scope.Scope>
): Effect.fn.Return<Tunnel, NodeHelperError, DockerEngine | Scope.Scope> {
  const tunnel = yield* open
  const greeted = yield* Deferred.make<void, HelperRefused | TunnelLost>()
  const take = (incoming: Incoming) => {
    const document = incoming._tag === "Document" ? Result.getOrUndefined(decodeDocument(incoming.text)) : undefined
    return document?._tag === "Hello"
      ? Deferred.into(checkHello(place.node.hostname, document), greeted)
      : Deferred.fail(greeted, new TunnelLost({ detail: "the helper said something that is not understood" }))
  }
  yield* Stream.runForEach(tunnel.incoming, take).pipe(
    Effect.andThen(new TunnelLost({ detail: "the helper went away" })),
    Effect.catch((error) => Deferred.fail(greeted, error)),
    Effect.forkScoped
  )
  yield* Deferred.await(greeted).pipe(
    Effect.catchTag("TunnelLost", ({ detail }) =>
      Effect.fail(new HelperFailed({ node: place.node.hostname, image: place.image, detail }))
    )
  )
  return tunnel
})
