/**
 * A two-way connection to a helper: an overlay network for the two of them, the helper on it, a relay container on it too
 * that is attached to the caller, and TLS with a one-time key from the caller through to the helper.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { openAttached } from "../engine/AttachedContainer.ts"
import { Demux } from "../engine/Demux.ts"
import { DockerEngine, type DockerEngineShape } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { networkGone } from "../engine/NetworkRemoval.ts"
import { owned } from "../engine/Owned.ts"
import { imageHere } from "../executor/HostView.ts"
import { once } from "../internal/Once.ts"
import { freshName, type Ownership, ownershipLabels } from "../Labels.ts"
import { inStage, type Stage, StageObserver } from "../Stage.ts"
import { protocolVersion } from "../wire/Frame.ts"
import { carryOver, type RelayCarrier } from "../wire/RelayCarrier.ts"
import { makeTunnel, type Tunnel, type TunnelLost } from "../wire/Tunnel.ts"
import { makeTunnelKey, secureClient } from "../wire/TunnelTls.ts"
import { checkNode, type Helper, type HelperPlace, type HelperStartError, openHelper } from "./Helper.ts"
import { HelperFailed, OverlayBlocked, RelayFailed, type RequestTooLarge } from "./HelperErrors.ts"
import type { HelperWork } from "./HelperRequest.ts"
import { relayAddress, relayCommandName } from "./RelayProtocol.ts"
import { type Network, nameOf } from "./TemporaryService.ts"

/** How long a helper that runs may be out of reach, in milliseconds: by then every node knows of the network. */
const reachPatience = 20_000
/** A relay ends with its caller; by its deadline alone it would never be a leftover. In milliseconds. */
const relayLife = 365 * 24 * 3600_000

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

/**
 * Makes all of it, and removes all of it when the scope is closed. Done when the helper answers. With a `network` of
 * {@link openTunnelNetwork} it makes none of its own.
 */
export const openHelperTunnel = Effect.fn("TaskExec.tunnel")(function* (
  place: HelperPlace,
  owner: Ownership,
  work: HelperWork,
  shared?: TunnelNetwork
): Effect.fn.Return<HelperTunnel, TunnelError, DockerEngine | Scope.Scope> {
  yield* checkNode(place.task, place.node)
  const engine = yield* DockerEngine
  const key = makeTunnelKey()
  const network = shared ?? (yield* openTunnelNetwork(owner))
  const request = { protocol: protocolVersion, node: place.node.id, owner, work, tunnel: { key } }
  // Its stages are told meanwhile; what is wrong with it is found out later.
  const watched = Effect.tap(openHelper({ ...place, request, network }), ({ running }) =>
    Effect.forkScoped(Effect.ignore(running))
  )
  const [helper, carrier] = yield* Effect.all(
    [watched, Effect.flatMap(network, (id) => openRelay(engine, place, owner, id))],
    { concurrency: 2 }
  )
  const connected = Effect.gen(function* () {
    const host = yield* helper.address
    return yield* Effect.andThen(carrier.begin(relayAddress(host)), secureClient(carrier.duplex, key)).pipe(
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
    carrier.complaint() === "" ? why : Effect.fail(relayFailed(engine, place, error))
  const socket = yield* Effect.raceFirst(Effect.catchTag(connected, "TunnelLost", explained), why)
  return { helper, tunnel: yield* makeTunnel(socket) }
})

const relayFailed = (engine: DockerEngineShape, { image }: HelperPlace, { message }: { readonly message: string }) =>
  new RelayFailed({ host: engine.host, image, detail: message })

/** A network for tunnels, which is made when it is first asked for. Gives its ID. */
export type TunnelNetwork = Network

/** It is removed when the scope is closed, by when every helper and relay on it must be gone. */
export const openTunnelNetwork = Effect.fnUntraced(function* (
  owner: Ownership
): Effect.fn.Return<TunnelNetwork, never, DockerEngine | Scope.Scope> {
  // A scope that is older than those of what will be on it, and so closed after them, whenever it is asked for.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const network = openNetwork(yield* DockerEngine, owner).pipe(inStage({ _tag: "Network" }))
  return yield* Scope.provide(once(network), scope)
})

/** A network that only what we put there can join, and from which no way leads out. */
const openNetwork = Effect.fnUntraced(function* (engine: DockerEngineShape, owner: Ownership) {
  const name = nameOf(owner)
  const creation = engine.createNetwork({
    Name: name,
    Driver: "overlay",
    Attachable: true,
    Internal: true,
    CheckDuplicate: true,
    Labels: ownershipLabels(owner, "network")
  })
  const removal = Effect.andThen(engine.removeNetwork(name), networkGone(engine, name))
  return yield* owned(creation, removal, `docker network rm ${name}`)
})

/** Pulls an image to the engine at hand, and tells how far it is. */
const pullHere = Effect.fnUntraced(function* (engine: DockerEngineShape, image: string) {
  const observer = yield* StageObserver
  const stage: Stage = { _tag: "Pull", image }
  yield* engine.pullImage(image).pipe(
    Stream.runForEach((amount) => Effect.sync(() => observer.progressed?.(stage, amount))),
    inStage(stage)
  )
})

const openRelay = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  place: HelperPlace,
  owner: Ownership,
  network: string
): Effect.fn.Return<RelayCarrier, RelayFailed, Scope.Scope> {
  const open = Effect.gen(function* () {
    const here = yield* imageHere(engine, place.image)
    if (here === undefined) yield* pullHere(engine, place.image)
    const connection = yield* openAttached(engine, freshName("relay"), {
      Image: here ?? place.image,
      Cmd: [relayCommandName],
      Labels: ownershipLabels({ ...owner, deadline: owner.deadline + relayLife }, "relay"),
      HostConfig: {
        NetworkMode: network,
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges"]
      }
    })
    return yield* carryOver(connection)
  })
  return yield* open.pipe(
    Effect.mapError((error) => relayFailed(engine, place, error)),
    inStage({ _tag: "Relay" })
  )
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
    Effect.timeout("5 seconds"),
    Effect.orElseSucceed(() => "")
  )
