/**
 * A two-way connection to a helper: an overlay network for the two of them, the helper on it, a relay container on it too
 * that is attached to the caller, and TLS with a one-time key from the caller through to the helper.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Demux } from "../engine/Demux.ts"
import { DockerEngine, type DockerEngineShape } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { attempt } from "../internal/attempt.ts"
import type { Ownership } from "../Labels.ts"
import { inStage } from "../Stage.ts"
import { protocolVersion } from "../wire/Frame.ts"
import { makeTunnel, type Tunnel, type TunnelLost } from "../wire/Tunnel.ts"
import { makeTunnelKey, prepareHandshake, secureClient, tunnelKey } from "../wire/TunnelTls.ts"
import { checkNode, type Helper, type HelperPlace, type HelperStartError, openHelper } from "./Helper.ts"
import { HelperFailed, isPoolOverlap, OverlayBlocked, type RelayFailed, type RequestTooLarge } from "./HelperErrors.ts"
import type { HelperWork } from "./HelperRequest.ts"
import { relayAddress } from "./RelayProtocol.ts"
import { openTunnelNetwork, relayFailed, type TunnelNetwork } from "./TunnelNetwork.ts"

/** How long a helper that runs may be out of reach, in milliseconds: by then every node knows of the network. */
const reachPatience = 20_000

/** The ways in which there is no connection. */
export type TunnelError =
  | HelperStartError
  | HelperFailed
  | OverlayBlocked
  | RelayFailed
  | RequestTooLarge
  | SwarmFailure

/** A helper, and the connection to it. */
export interface HelperTunnel {
  readonly helper: Helper
  readonly tunnel: Tunnel
}

/** How many networks are tried: a node rejects the helper if a network of the node's own has the same addresses. */
const networksTried = 3

const isRejectedFor = (error: TunnelError): boolean => error._tag === "HelperRejected" && isPoolOverlap(error.reason)

/**
 * Makes all of it, and removes all of it when the scope is closed. Done when the helper answers. With a `shared` network it
 * makes one of its own only if the node rejects the helper for the addresses of that.
 */
export const openHelperTunnel = Effect.fn("TaskExec.tunnel")(function* (
  place: HelperPlace,
  owner: Ownership,
  work: HelperWork,
  shared?: TunnelNetwork
): Effect.fn.Return<HelperTunnel, TunnelError, DockerEngine | Scope.Scope> {
  yield* checkNode(place.task, place.node)
  let left = shared
  const open = attempt(
    Effect.gen(function* () {
      const network = left ?? (yield* openTunnelNetwork(owner, place.image))
      left = undefined
      return yield* openOn(network, place, owner, work)
    })
  )
  return yield* Effect.retry(open, { while: isRejectedFor, times: networksTried - 1 })
})

const openOn = Effect.fnUntraced(function* (
  network: TunnelNetwork,
  place: HelperPlace,
  owner: Ownership,
  work: HelperWork
): Effect.fn.Return<HelperTunnel, TunnelError, DockerEngine | Scope.Scope> {
  const engine = yield* DockerEngine
  const key = makeTunnelKey()
  const request = { protocol: protocolVersion, node: place.node.id, owner, work, tunnel: { key } }
  // Its stages are told meanwhile; what is wrong with it is found out later.
  const watched = Effect.tap(openHelper({ ...place, request, network: network.attachment }), ({ running }) =>
    Effect.forkScoped(Effect.ignore(running))
  )
  const prepared = Effect.andThen(Effect.yieldNow, prepareHandshake)
  const [helper, carrier] = yield* Effect.all([watched, network.openRelay, prepared], { concurrency: 3 })
  const connected = Effect.gen(function* () {
    const host = yield* helper.running
    return yield* Effect.andThen(carrier.begin(relayAddress(host)), secureClient(carrier.duplex, tunnelKey(key))).pipe(
      inStage({ _tag: "Connect", node: place.node.hostname })
    )
  })
  const why: Effect.Effect<never, TunnelError> = Effect.gen(function* () {
    yield* helper.running
    const ended = yield* Effect.timeoutOption(helper.ended, reachPatience)
    const node = place.node.hostname
    if (Option.isSome(ended)) {
      const said = yield* lastWords(engine, helper.service)
      return yield* new HelperFailed({
        node,
        image: place.image,
        detail: [ended.value, said].filter(Boolean).join("; ")
      })
    }
    const detail = carrier.complaint() || "no answer"
    return yield* new OverlayBlocked({ node, after: reachPatience, detail })
  })
  // Why a relay ends is found out about the helper, except for its own doing.
  const explained = (error: TunnelLost): Effect.Effect<never, TunnelError> =>
    carrier.complaint() === "" ? why : Effect.fail(relayFailed(engine.host, place.image, error))
  const socket = yield* Effect.raceFirst(Effect.catchTag(connected, "TunnelLost", explained), why)
  return { helper, tunnel: yield* makeTunnel(socket) }
})

/** The last line that a helper wrote to its log. */
const lastWords = (engine: DockerEngineShape, service: string): Effect.Effect<string> =>
  Effect.gen(function* () {
    const log = yield* engine.serviceLogs(service, { follow: false, tail: 5 })
    const demux = new Demux()
    let text = ""
    yield* Stream.runForEach(log, (chunk) =>
      Effect.sync(() => {
        for (const { data } of demux.push(chunk)) text = (text + Buffer.from(data).toString("utf8")).slice(-1000)
      })
    )
    return text.trim().split("\n").at(-1) ?? ""
  }).pipe(
    Effect.scoped,
    Effect.timeoutOption("5 seconds"),
    Effect.map(Option.getOrElse(() => "")),
    Effect.orElseSucceed(() => "")
  )
