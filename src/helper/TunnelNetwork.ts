/** The overlay network of tunnels, and the way onto it from the caller: a relay container of the caller's engine. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { carryOver, carryOverExec, type RelayCarrier } from "../carrier/RelayCarrier.ts"
import { openAttached } from "../engine/AttachedContainer.ts"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { NetworkAttachment } from "../engine/EngineSchemas.ts"
import { freeSubnet } from "../engine/FreeSubnet.ts"
import { networkGone } from "../engine/NetworkRemoval.ts"
import { owned } from "../engine/Owned.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { findImage } from "../executor/HostView.ts"
import { imageCommands } from "../ImageCommands.ts"
import { attempt } from "../internal/attempt.ts"
import { once } from "../internal/Once.ts"
import { freshName, type Ownership, ownershipLabels } from "../Labels.ts"
import { inStage, type Stage, StageObserver } from "../Stage.ts"
import { isNotAttached, RelayFailed } from "./HelperErrors.ts"
import { overlayEndpoint, relayDoor, relayLabels } from "./RelayProtocol.ts"
import type { Network } from "./TemporaryService.ts"

/** A network for tunnels. It is removed with its scope, by when every helper on it must be gone. */
export interface TunnelNetwork {
  /** By which helpers join it. */
  readonly name: string
  /** Makes it when that is first asked for. */
  readonly attachment: Network
  /** A way onto it, for one tunnel. It is closed with its scope. */
  readonly openRelay: Effect.Effect<RelayCarrier, RelayFailed, Scope.Scope>
}

/**
 * A network for so many tunnels, each to another node, of the relay's image. The relay of a single tunnel is a container, to which the
 * caller is attached. Several tunnels share one container, in which each has a process: to start a container on an overlay network
 * takes engine 20.10 a second, one after the other.
 */
export const openTunnelNetwork = Effect.fnUntraced(function* (
  owner: Ownership,
  image: string,
  tunnels = 1
): Effect.fn.Return<TunnelNetwork, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  // Scopes that are older than those of what will be on the network, and so closed after them, whenever these are asked for.
  // Engine 20.10 may know a network that was removed for half a minute, and its name is taken for as long.
  const name = freshName("network")
  const network = yield* inOuterScope(openNetwork(swarm, name, owner, tunnels).pipe(inStage({ _tag: "Network" })))
  // Of several managers only one has the container: the one that answered last when it is made.
  const made = Effect.gen(function* () {
    const attachment = yield* network
    const engine = yield* swarm.engine
    return { engine, container: yield* startRelay(engine, owner, attachment, image) }
  })
  const relay = tunnels === 1 ? made : yield* inOuterScope(made)
  const openRelay = Effect.flatMap(relay, ({ container, engine }) =>
    // Nobody tells a shared container whom to reach: it is there as long as we are attached to it.
    tunnels === 1 ? carryOver(container) : carryOverExec(engine, container.id, relayDoor)
  )
  return { name, attachment: network, openRelay: asRelay(swarm, image)(openRelay) }
})

/** That there is no relay, as an error. */
export const relayFailed = (host: string, image: string, { message }: { readonly message: string }) =>
  new RelayFailed({ host, image, detail: message })

const asRelay =
  (swarm: SwarmShape, image: string) =>
  <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>) =>
    effect.pipe(
      Effect.mapError((error) => relayFailed(swarm.host, image, error)),
      inStage({ _tag: "Relay" })
    )

/** Runs once, in a scope of its own. */
const inOuterScope = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  return yield* Scope.provide(once(effect), scope)
})

/** A network that only what we put there can join, and from which no way leads out. */
const openNetwork = Effect.fnUntraced(function* (swarm: SwarmShape, name: string, owner: Ownership, tunnels: number) {
  const creation = swarm.createNetwork({
    Name: name,
    Driver: "overlay",
    Attachable: true,
    Internal: true,
    CheckDuplicate: true,
    // The helpers' nodes, and the relay's.
    IPAM: { Config: [{ Subnet: yield* freeSubnet(swarm, tunnels + 1) }] },
    Labels: ownershipLabels(owner, "network")
  })
  const removal = Effect.andThen(swarm.removeNetwork(name), networkGone(swarm, name))
  const Target = yield* owned(creation, removal, { kind: "network", name, runId: owner.runId })
  return { Target, ...overlayEndpoint }
})

/** A container of our image on the network, to which we are attached, and which ends when we are not. */
const startRelay = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  owner: Ownership,
  { DriverOpts, Target: NetworkMode }: NetworkAttachment,
  image: string
) {
  const here = yield* findImage(engine, image)
  if (here === undefined) yield* pullHere(engine, image)
  const config = {
    Image: here ?? image,
    Cmd: [imageCommands.relay],
    Labels: relayLabels(owner),
    NetworkingConfig: { EndpointsConfig: { [NetworkMode]: { DriverOpts } } },
    HostConfig: {
      NetworkMode,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"]
    }
  }
  const start = attempt(openAttached(engine, freshName("relay"), owner.runId, config))
  return yield* Effect.retry(start, { while: ({ message }) => isNotAttached(message), schedule: nextRelay })
})

/**
 * Swarm sometimes leaves an attachment waiting, and answers the next one. Between the two the engine forgets the first, see
 * `needsOtherNetwork`.
 */
const nextRelay = Schedule.max([Schedule.spaced("2 seconds"), Schedule.recurs(2)])

/** Pulls an image to the engine at hand, and tells how far it is. */
const pullHere = Effect.fnUntraced(function* (engine: DockerEngineShape, image: string) {
  const observer = yield* StageObserver
  const stage: Stage = { _tag: "Pull", image }
  yield* engine.pullImage(image).pipe(
    Stream.runForEach((amount) => Effect.sync(() => observer.progressed?.(stage, amount))),
    inStage(stage)
  )
})
