/** The overlay network of tunnels, and the relay container that connects the caller to it. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { carryOver, carryOverExec, type RelayCarrier } from "../carrier/RelayCarrier.ts"
import { openAttached } from "../engine/AttachedContainer.ts"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { freeSubnet } from "../engine/FreeSubnet.ts"
import { summaryOf } from "../engine/Hints.ts"
import { networkGone } from "../engine/NetworkRemoval.ts"
import { owned } from "../engine/Owned.ts"
import type { NetworkAttachment } from "../engine/RequestBodies.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { findImage } from "../executor/HostView.ts"
import { imageCommands } from "../ImageCommands.ts"
import { attempt } from "../internal/attempt.ts"
import { memoize } from "../internal/memoize.ts"
import { freshName, type Ownership, ownershipLabels } from "../Labels.ts"
import { inStage, type Stage, StageObserver } from "../Stage.ts"
import { RelayFailed } from "./ConnectionErrors.ts"
import { isNotAttached } from "./HelperErrors.ts"
import { overlayEndpoint, relayCommandLine, relayLabels } from "./RelayProtocol.ts"
import type { Network } from "./TemporaryService.ts"

/** An overlay network for tunnels. It is removed when its scope closes. Every helper on it must have ended by then. */
export interface TunnelNetwork {
  /** The network's name, by which helpers join it. */
  readonly name: string
  /** Creates the network on first use. */
  readonly attachment: Network
  /** Pulls the relay's image if the connected engine does not have it. */
  readonly fetchImage: Effect.Effect<void>
  /** Opens a connection to the network for one tunnel. It closes with its scope. */
  readonly openRelay: Effect.Effect<RelayCarrier, RelayFailed, Scope.Scope>
}

/**
 * Prepares a network for tunnels, each to another node. The relay of a single tunnel is a container to which the caller is attached.
 * Several tunnels share one relay container with a process for each, because engine 20.10 takes one second to start a container on an
 * overlay network.
 */
export const openTunnelNetwork = Effect.fnUntraced(function* (
  owner: Ownership,
  image: string,
  tunnels = 1
): Effect.fn.Return<TunnelNetwork, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  // A new name, because engine 20.10 may keep a removed network for half a minute, and reserves its name until then.
  const name = freshName("network")
  // The network's scope closes after the scopes of the containers on it, whenever they are created.
  const network = yield* inOuterScope(openNetwork(swarm, name, owner, tunnels).pipe(inStage({ _tag: "Network" })))
  // The relay container is on the engine of the manager that responded last.
  const made = Effect.gen(function* () {
    const attachment = yield* network
    const engine = yield* swarm.engine
    return { engine, container: yield* startRelay(engine, owner, attachment, image) }
  })
  const relay = tunnels === 1 ? made : yield* inOuterScope(made)
  const openRelay = Effect.flatMap(relay, ({ container, engine }) =>
    // A shared relay container receives no address line. It runs as long as the caller is attached.
    tunnels === 1 ? carryOver(container) : carryOverExec(engine, container.id, relayCommandLine)
  )
  // Ignores errors: the relay looks for the image again, and fails with the reason.
  const fetchImage = Effect.ignore(Effect.flatMap(swarm.engine, (engine) => imageOn(engine, image)))
  return { name, attachment: network, fetchImage, openRelay: asRelay(swarm, image)(openRelay) }
})

/** Wraps the reason why the relay did not start. */
export const relayFailed = (
  host: string,
  image: string,
  error: { readonly message: string; readonly summary?: string }
) => new RelayFailed({ host, image, detail: summaryOf(error) })

const asRelay =
  (swarm: SwarmShape, image: string) =>
  <A, R>(effect: Effect.Effect<A, { readonly message: string; readonly summary?: string }, R>) =>
    effect.pipe(
      Effect.mapError((error) => relayFailed(swarm.host, image, error)),
      inStage({ _tag: "Relay" })
    )

/** Memoizes an effect that runs in a scope of its own. */
const inOuterScope = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  return yield* Scope.provide(memoize(effect), scope)
})

/** Creates an internal overlay network, which has no route to other networks. */
const openNetwork = Effect.fnUntraced(function* (swarm: SwarmShape, name: string, owner: Ownership, tunnels: number) {
  const creation = swarm.createNetwork({
    Name: name,
    Driver: "overlay",
    Attachable: true,
    Internal: true,
    CheckDuplicate: true,
    // The nodes of the helpers, and that of the relay.
    IPAM: { Config: [{ Subnet: yield* freeSubnet(swarm, tunnels + 1) }] },
    Labels: ownershipLabels(owner, "network")
  })
  const removal = Effect.andThen(swarm.removeNetwork(name), networkGone(swarm, name))
  const Target = yield* owned(creation, removal, { kind: "network", name, runId: owner.runId })
  return { Target, ...overlayEndpoint }
})

/** Starts the relay container on the network and attaches the caller. The container ends when the caller detaches. */
const startRelay = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  owner: Ownership,
  { DriverOpts, Target: NetworkMode }: NetworkAttachment,
  image: string
) {
  const config = {
    Image: yield* imageOn(engine, image),
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
 * The retries of a relay. Swarm sometimes does not respond to an attachment, but responds to the next one. During the pause, the engine
 * undoes the first attachment: see `needsOtherNetwork`.
 */
const nextRelay = Schedule.max([Schedule.spaced("2 seconds"), Schedule.recurs(2)])

/** Returns the reference by which the engine knows the image. Pulls the image if the engine does not have it. */
const imageOn = Effect.fnUntraced(function* (engine: DockerEngineShape, image: string) {
  const known = yield* findImage(engine, image)
  if (known === undefined) yield* pullTo(engine, image)
  return known ?? image
})

/** Pulls an image to the connected engine, and reports progress. */
const pullTo = Effect.fnUntraced(function* (engine: DockerEngineShape, image: string) {
  const observer = yield* StageObserver
  const stage: Stage = { _tag: "Pull", image }
  yield* engine.pullImage(image).pipe(
    Stream.runForEach((amount) => Effect.sync(() => observer.progressed?.(stage, amount))),
    inStage(stage)
  )
})
