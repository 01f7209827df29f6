/** The tunnel that is added to a helper: an overlay network with a relay on the connected engine and a listener on the helper's node. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TunnelLost } from "../carrier/Channel.ts"
import { makeTunnel, type Tunnel } from "../carrier/Tunnel.ts"
import { makeTunnelKey, prepareHandshake, secureClient, tunnelKey } from "../carrier/TunnelTls.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import { OverlayBlocked, type RelayFailed } from "../helper/ConnectionErrors.ts"
import type { HelperPlacement } from "../helper/Helper.ts"
import { HelperRejected, needsOtherNetwork } from "../helper/HelperErrors.ts"
import type { HelperRequest, TunnelNeed } from "../helper/HelperRequest.ts"
import { relayAddress } from "../helper/RelayProtocol.ts"
import { openTunnelNetwork, relayFailed, type TunnelNetwork } from "../helper/TunnelNetwork.ts"
import { attempt } from "../internal/attempt.ts"
import { memoize } from "../internal/memoize.ts"
import type { Ownership } from "../Labels.ts"
import { inStage } from "../Stage.ts"

/** Milliseconds within which the relay must reach the listener. By then, every node knows the network. */
const connectTimeout = 20_000

/** The errors of a tunnel. */
export type TunnelError = OverlayBlocked | RelayFailed | HelperRejected | TunnelLost | SwarmFailure

/** A tunnel that is created when it is first used. */
export interface HelperTunnel {
  /** The tunnel's part of the helper's request. */
  readonly request: NonNullable<HelperRequest["tunnel"]>
  /** Creates the tunnel with its network and its relay on first use. */
  readonly tunnel: Effect.Effect<Tunnel, TunnelError>
  /** Reports that the helper's listener waits at this address. */
  readonly reachable: (address: string) => void
  /** Reports why the helper's node can't join the next network. */
  readonly unreachable: (reason: string) => void
}

/** Options of {@link prepareTunnel}. */
export interface HelperTunnelOptions {
  readonly placement: HelperPlacement
  readonly owner: Ownership
  readonly from: TunnelNeed
  /** The number of commands, each with a channel. */
  readonly commands: number
  /** The network that tunnels to several nodes share. */
  readonly shared?: TunnelNetwork | undefined
}

/**
 * Prepares a tunnel to a helper. If the helper's node can't join the first network (the `shared` one, if given), a second and a third one
 * are tried.
 */
export const prepareTunnel = Effect.fnUntraced(function* ({
  commands,
  from,
  owner,
  placement,
  shared
}: HelperTunnelOptions): Effect.fn.Return<HelperTunnel, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const node = placement.node.hostname
  const key = makeTunnelKey()
  const first = shared ?? (yield* openTunnelNetwork(owner, placement.image))
  const networks = [
    first,
    yield* openTunnelNetwork(owner, placement.image),
    yield* openTunnelNetwork(owner, placement.image)
  ] as const
  // Fetches the image while the command starts.
  if (from === "command") yield* Effect.forkScoped(first.fetchImage)
  /** The address of the helper's listener on each network. */
  const addresses = networks.map(() => Deferred.makeUnsafe<string, HelperRejected>())
  let next = 0

  const connectOver = Effect.fnUntraced(function* (
    network: TunnelNetwork,
    address: Effect.Effect<string, HelperRejected>
  ) {
    const prepared = Effect.andThen(Effect.yieldNow, prepareHandshake)
    const [carrier] = yield* Effect.all([network.openRelay, prepared], { concurrency: 2 })
    const host = yield* address
    const blocked = Effect.suspend(() =>
      Effect.fail(new OverlayBlocked({ node, after: connectTimeout, detail: carrier.complaint() || "no response" }))
    )
    const socket = yield* carrier.begin(relayAddress(host)).pipe(
      Effect.andThen(secureClient(carrier.duplex, tunnelKey(key))),
      Effect.mapError((error) =>
        carrier.complaint() === ""
          ? error
          : relayFailed(swarm.host, placement.image, new TunnelLost({ detail: carrier.complaint() }))
      ),
      Effect.timeoutOrElse({ duration: connectTimeout, orElse: () => blocked }),
      inStage({ _tag: "Connect", node })
    )
    // Opens all channels now: a helper that has moved uses them at once, while the caller may still read the log.
    return yield* makeTunnel(socket, { channels: Array.from({ length: commands }, (_, index) => index + 1) })
  })
  const connect = (index: number): Effect.Effect<Tunnel, TunnelError, Swarm | Scope.Scope> => {
    const [network, address] = [networks[index], addresses[index]]
    if (network === undefined || address === undefined)
      return Effect.fail(new TunnelLost({ detail: "no network can be used" }))
    return attempt(connectOver(network, Deferred.await(address))).pipe(
      Effect.catchIf(
        (error) => error._tag === "HelperRejected" && needsOtherNetwork(error.reason) && index + 1 < networks.length,
        () => connect(index + 1)
      )
    )
  }
  return {
    request: { key, networks: [networks[0].name, networks[1].name, networks[2].name], from },
    tunnel: yield* memoize(Effect.provideService(connect(0), Swarm, swarm)),
    reachable: (found) => {
      const address = addresses[next]
      if (address !== undefined) Deferred.doneUnsafe(address, Effect.succeed(found))
    },
    unreachable: (reason) => {
      const address = addresses[next++]
      if (address !== undefined) Deferred.doneUnsafe(address, Effect.fail(new HelperRejected({ node, reason })))
    }
  }
})
