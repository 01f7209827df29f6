/** The connection to a node through its agent. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AgentConnection } from "../agent/AgentConnection.ts"
import { TunnelLost } from "../carrier/Channel.ts"
import type { Tunnel } from "../carrier/Tunnel.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { HelperPlacement } from "../helper/Helper.ts"
import type { HelperRefused } from "../helper/HelperErrors.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import { checkHello, unexpectedMessage } from "../protocol/Client.ts"
import { filesOver } from "../protocol/FilesClient.ts"
import { framesOf, type LineError, lineOver } from "../protocol/Line.ts"
import { endManyByHelper, secondPlacementTimeout } from "./EndByHelper.ts"
import type { NodeConnection } from "./NodeConnection.ts"
import { prepareCommands } from "./RemoteCommands.ts"

/** Options of {@link openAgentNode}. */
export interface AgentNodeOptions {
  readonly connection: AgentConnection
  /** The node and image of the helper that kills commands if the agent can't. */
  readonly placement: HelperPlacement
  readonly owner: Effect.Effect<Ownership>
}

/** Opens the node connection. It sends one request to the agent. */
export const openAgentNode = Effect.fnUntraced(function* ({
  connection,
  owner,
  placement
}: AgentNodeOptions): Effect.fn.Return<NodeConnection, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const node = placement.node.hostname
  let isRequested = false
  return {
    route: "agent",
    commands: (specs, first) =>
      prepareCommands(node, specs, first, {
        mayBeServing: () => isRequested,
        open: Effect.fnUntraced(function* (begin, inputs) {
          isRequested = true
          const tunnel = yield* connection.request(yield* owner, {
            _tag: "Exec",
            specs,
            begin
          })
          const greeted = yield* awaitHello(node, tunnel)
          return {
            line: (channel) => {
              const line = lineOver(tunnel.channel(channel), greeted)
              const refused = Effect.andThen(Deferred.await(greeted), Effect.never)
              return { ...line, incoming: Stream.interruptWhen(line.incoming, refused) }
            },
            stdin: (index) => inputs.get(index)?.stdin ?? Stream.empty
          }
        }),
        endElsewhere: (runs) =>
          Effect.provideService(
            endManyByHelper({ ...placement, placementTimeout: secondPlacementTimeout }, runs),
            Swarm,
            swarm
          )
      }),
    files: (container, policy) =>
      Effect.flatMap(makeOwnership(undefined), (made) =>
        Effect.flatMap(connection.request(made, { _tag: "Copy", container, policy }), (tunnel) =>
          filesOver(node, tunnel)
        )
      )
  }
})

/** Waits in the background for the agent's greeting. Completes the returned deferred when the channels of the commands are open. */
const awaitHello = Effect.fnUntraced(function* (
  node: string,
  tunnel: Tunnel
): Effect.fn.Return<Deferred.Deferred<void, HelperRefused | LineError>, never, Scope.Scope> {
  const greeted = yield* Deferred.make<void, HelperRefused | LineError>()
  yield* Stream.runForEach(framesOf(tunnel), (frame) =>
    Deferred.into(
      frame._tag === "Hello" ? checkHello(node, frame) : Effect.fail(unexpectedMessage(node, frame)),
      greeted
    )
  ).pipe(
    Effect.andThen(new TunnelLost({ detail: "the agent disconnected" })),
    Effect.catch((error) => Deferred.fail(greeted, error)),
    Effect.forkScoped
  )
  return greeted
})
