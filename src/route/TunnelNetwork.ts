/**
 * The overlay network of a tunnel, and the ways onto it from the caller: relay containers beside the caller's engine. To start
 * a container on an overlay takes an engine of 2020 a second, one after the other, so many tunnels share one.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { openAttached } from "../engine/AttachedContainer.ts"
import { DockerEngine, type DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { networkGone } from "../engine/NetworkRemoval.ts"
import { owned } from "../engine/Owned.ts"
import { imageHere } from "../executor/HostView.ts"
import { imageCommands } from "../ImageCommands.ts"
import { once } from "../internal/Once.ts"
import { freshName, type Ownership, ownershipLabels } from "../Labels.ts"
import { inStage, type Stage, StageObserver } from "../Stage.ts"
import { carryOver, carryOverExec, type RelayCarrier } from "../wire/RelayCarrier.ts"
import { RelayFailed } from "./HelperErrors.ts"
import { relayDoor } from "./RelayProtocol.ts"
import { type Network, nameOf } from "./TemporaryService.ts"

/** A relay ends with its caller; by its deadline alone it would never be a leftover. In milliseconds. */
const relayLife = 365 * 24 * 3600_000

/**
 * Options of an endpoint. A node hears of the others' addresses by gossip, so the first question for one may come too early: it is
 * asked again after 50 ms, not after the kernel's second (engine 28.5: 1.3 s to the end of `true`, and 2.3 without). Engines before
 * 27 take no notice.
 */
const DriverOpts = { "com.docker.network.endpoint.sysctls": "net.ipv4.neigh.IFNAME.retrans_time_ms=50" }

/** A network for tunnels. It is removed with its scope, by when every helper on it must be gone. */
export interface TunnelNetwork {
  /** Makes it when that is first asked for. */
  readonly attachment: Network
  /** A way onto it, for one tunnel. It is closed with its scope. */
  readonly openRelay: Effect.Effect<RelayCarrier, RelayFailed, Scope.Scope>
}

/** The network of one tunnel, whose relay is a container of its own, of this image. */
export const openTunnelNetwork = Effect.fnUntraced(function* (
  owner: Ownership,
  image: string
): Effect.fn.Return<TunnelNetwork, never, DockerEngine | Scope.Scope> {
  const engine = yield* DockerEngine
  const attachment = yield* networkOnce(engine, owner)
  const relay = startRelay(engine, owner, attachment, image)
  return { attachment, openRelay: Effect.flatMap(relay, carryOver).pipe(asRelay(engine, image)) }
})

/** The network of many tunnels, with one relay container of this image for all of them: each has a process of its own in it. */
export const openSharedNetwork = Effect.fnUntraced(function* (
  owner: Ownership,
  image: string
): Effect.fn.Return<TunnelNetwork, never, DockerEngine | Scope.Scope> {
  // Of several managers only one has the container.
  const engine = yield* Effect.flatMap(DockerEngine, ({ alone }) => alone)
  const attachment = yield* networkOnce(engine, owner)
  // Older than the scopes of the tunnels, and so closed after them.
  const scope = yield* Scope.fork(yield* Effect.scope)
  // Nobody tells it whom to reach: it is there as long as we are attached to it.
  const relay = yield* Scope.provide(once(startRelay(engine, owner, attachment, image)), scope)
  const door = Effect.flatMap(relay, (container) => carryOverExec(engine, container.id, relayDoor))
  return { attachment, openRelay: asRelay(engine, image)(door) }
})

/** That there is no relay, as an error. */
export const relayFailed = (host: string, image: string, { message }: { readonly message: string }) =>
  new RelayFailed({ host, image, detail: message })

const asRelay =
  (engine: DockerEngineShape, image: string) =>
  <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>) =>
    effect.pipe(
      Effect.mapError((error) => relayFailed(engine.host, image, error)),
      inStage({ _tag: "Relay" })
    )

const networkOnce = Effect.fnUntraced(function* (engine: DockerEngineShape, owner: Ownership) {
  // A scope that is older than those of what will be on it, and so closed after them, whenever it is asked for.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const network = openNetwork(engine, owner).pipe(inStage({ _tag: "Network" }))
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
  const Target = yield* owned(creation, removal, `docker network rm ${name}`)
  return { Target, DriverOpts }
})

/** A container of our image on the network, to which we are attached, and which ends when we are not. */
const startRelay = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  owner: Ownership,
  network: Network,
  image: string
) {
  const { DriverOpts, Target: NetworkMode } = yield* network
  const here = yield* imageHere(engine, image)
  if (here === undefined) yield* pullHere(engine, image)
  const config = {
    Image: here ?? image,
    Cmd: [imageCommands.relay],
    Labels: ownershipLabels({ ...owner, deadline: owner.deadline + relayLife }, "relay"),
    NetworkingConfig: { EndpointsConfig: { [NetworkMode]: { DriverOpts } } },
    HostConfig: {
      NetworkMode,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"]
    }
  }
  const start = Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return yield* Scope.provide(openAttached(engine, freshName("relay"), config), scope).pipe(
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  })
  return yield* Effect.retry(start, { while: wasNotAttached, times: 2 })
})

/** Engines give up now and then, after 20 seconds in which their swarm did not answer; the next container gets its place. */
const wasNotAttached = (error: EngineFailure): boolean =>
  error._tag === "EngineError" && error.text.includes("attaching to network failed")

/** Pulls an image to the engine at hand, and tells how far it is. */
const pullHere = Effect.fnUntraced(function* (engine: DockerEngineShape, image: string) {
  const observer = yield* StageObserver
  const stage: Stage = { _tag: "Pull", image }
  yield* engine.pullImage(image).pipe(
    Stream.runForEach((amount) => Effect.sync(() => observer.progressed?.(stage, amount))),
    inStage(stage)
  )
})
