/** The way to a helper, which is on the network of its host: a listener of our image, on its node, on an overlay network. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Frame } from "../../src/carrier/Frame.ts"
import { carryOver } from "../../src/carrier/RelayCarrier.ts"
import { readLine } from "../../src/carrier/readLine.ts"
import { makeTunnel, type Tunnel, TunnelLost } from "../../src/carrier/Tunnel.ts"
import { type AttachedContainer, openAttached } from "../../src/engine/AttachedContainer.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { EngineFailure } from "../../src/engine/EngineErrors.ts"
import { hasTunnelRange } from "../../src/engine/FreeSubnet.ts"
import { isNotAttached, isPoolOverlap, needsOtherNetwork } from "../../src/helper/HelperErrors.ts"
import type { HelperRequest } from "../../src/helper/HelperRequest.ts"
import { overlayEndpoint, relayLabels } from "../../src/helper/RelayProtocol.ts"
import { imageCommands } from "../../src/ImageCommands.ts"
import { attempt } from "../../src/internal/attempt.ts"
import { freshName, type Ownership } from "../../src/Labels.ts"
import { say } from "../Output.ts"

/** How long the caller may take to make each network, and then to come. */
const patience = "60 seconds"
/** Between two attempts to join a network that is not there yet: soon at first. */
const between = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/** What a listener is made of. */
export interface WayInOptions {
  readonly owner: Ownership
  /** ID of our own image. */
  readonly image: string
  readonly tunnel: NonNullable<HelperRequest["tunnel"]>
  /** How many commands the caller may talk about. */
  readonly commands: number
}

/**
 * A connection to the caller, once it has come. The listener is gone when the scope closes. `tell` brings the caller the listener's
 * address, or why the node can't join a network.
 */
export const openWayIn = Effect.fn("Helper.wayIn")(function* (
  { commands, image, owner, tunnel: { from, key, networks } }: WayInOptions,
  tell: (frame: Frame) => Effect.Effect<void>
): Effect.fn.Return<Tunnel, EngineFailure | TunnelLost, DockerEngine | Scope.Scope> {
  const engine = yield* DockerEngine
  const start = (network: string) =>
    attempt(
      openAttached(engine, freshName("relay"), owner.runId, {
        Image: image,
        Cmd: [imageCommands.listener],
        Labels: relayLabels(owner),
        NetworkingConfig: { EndpointsConfig: { [network]: overlayEndpoint } },
        HostConfig: {
          NetworkMode: network,
          ReadonlyRootfs: true,
          CapDrop: ["ALL"],
          SecurityOpt: ["no-new-privileges"]
        }
      })
    ).pipe(
      Effect.catchIf(
        (error) => isNotAttached(error.message),
        (error) => whyNotAttached(engine, error)
      ),
      Effect.retry({ while: isNotYetThere, schedule: between })
    )
  // A caller that reads slowly learns late that the output outgrows the log.
  const within = <A, E, R>(effect: Effect.Effect<A, E, R>, late: string) =>
    from === "output"
      ? effect
      : Effect.timeoutOrElse(effect, {
          duration: patience,
          orElse: () => Effect.fail(new TunnelLost({ detail: `${late} within ${patience}` }))
        })
  const tellUnreachable = (error: EngineFailure | TunnelLost) =>
    tell({ _tag: "Unreachable", reason: error._tag === "TunnelLost" ? error.detail : error.message })
  const join = (index: number): Effect.Effect<AttachedContainer, EngineFailure | TunnelLost, Scope.Scope> =>
    within(start(networks[index] ?? networks[0]), "the caller's network did not come").pipe(
      Effect.catchIf(
        (error) => needsOtherNetwork(error.message) && index + 1 < networks.length,
        (error) => Effect.andThen(tellUnreachable(error), join(index + 1))
      )
    )
  const joined = Effect.tapError(join(0), tellUnreachable)
  return yield* Effect.gen(function* () {
    // Whom it sends away is told in the helper's log.
    const carrier = yield* carryOver(yield* joined, (text) => void Effect.runFork(say(text)))
    const explain = ({ detail }: TunnelLost) => new TunnelLost({ detail: carrier.complaint() || detail })
    return yield* Effect.gen(function* () {
      yield* carrier.begin(`${key}\n`)
      yield* tell({ _tag: "Reachable", address: yield* readLine(carrier.duplex, "the listener") })
      yield* within(readLine(carrier.duplex, "the listener"), "no caller came")
      return yield* makeTunnel(
        carrier.duplex,
        Array.from({ length: commands }, (_, index) => index + 1)
      )
    }).pipe(Effect.mapError(explain))
  })
})

/**
 * The node's engine has a network of its own with addresses of a tunnel's: then the swarm can't attach anything there. It tells only the
 * managers.
 */
const whyNotAttached = Effect.fnUntraced(function* (engine: DockerEngine["Service"], error: EngineFailure) {
  const own = (yield* engine.listNetworks({ scope: ["local"] })).find(hasTunnelRange)
  return yield* own === undefined
    ? error
    : new TunnelLost({ detail: `network ${own.Name} of the node: Pool overlaps with other one on this address space` })
})

/** Swarm tells a node of a network when something there wants to join it. The caller makes it meanwhile. */
const isNotYetThere = (error: EngineFailure | TunnelLost): boolean =>
  error._tag === "EngineError" && /network .* not found/i.test(error.text) && !isPoolOverlap(error.text)
