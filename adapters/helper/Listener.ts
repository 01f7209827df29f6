/** Starts the listener of a helper: a container on the helper's node and on the run's overlay network, to which the caller connects. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { TunnelLost } from "../../src/carrier/Channel.ts"
import type { Frame } from "../../src/carrier/Frame.ts"
import { carryOver } from "../../src/carrier/RelayCarrier.ts"
import { readLine } from "../../src/carrier/readLine.ts"
import { makeTunnel, type Tunnel } from "../../src/carrier/Tunnel.ts"
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
import { writeStderr } from "../Output.ts"

/** The time in which the caller must create each network, and then connect. */
const connectTimeout = "60 seconds"
/** The pause between two attempts to join a network that does not exist yet. */
const between = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/** Options of {@link startListener}. */
export interface ListenerOptions {
  readonly owner: Ownership
  /** The ID of the helper's own image. */
  readonly image: string
  readonly tunnel: NonNullable<HelperRequest["tunnel"]>
  /** The number of commands, each with a channel. */
  readonly commands: number
}

/**
 * Starts the listener, and waits for the caller. Returns the tunnel to the caller. The listener is removed when the scope closes. `report`
 * sends the caller the listener's address, or the reason why the node can't join a network.
 */
export const startListener = Effect.fn("Helper.listener")(function* (
  { commands, image, owner, tunnel: { from, key, networks } }: ListenerOptions,
  report: (frame: Frame) => Effect.Effect<void>
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
  // A slow caller notices late that the output outgrows the log, so only the other tunnels have a timeout.
  const within = <A, E, R>(effect: Effect.Effect<A, E, R>, late: string) =>
    from === "output"
      ? effect
      : Effect.timeoutOrElse(effect, {
          duration: connectTimeout,
          orElse: () => Effect.fail(new TunnelLost({ detail: `${late} within ${connectTimeout}` }))
        })
  const reportUnreachable = (error: EngineFailure | TunnelLost) =>
    report({ _tag: "Unreachable", reason: error._tag === "TunnelLost" ? error.detail : error.message })
  const join = (index: number): Effect.Effect<AttachedContainer, EngineFailure | TunnelLost, Scope.Scope> =>
    within(start(networks[index] ?? networks[0]), "the caller's network did not appear").pipe(
      Effect.catchIf(
        (error) => needsOtherNetwork(error.message) && index + 1 < networks.length,
        (error) => Effect.andThen(reportUnreachable(error), join(index + 1))
      )
    )
  const joined = Effect.tapError(join(0), reportUnreachable)
  return yield* Effect.gen(function* () {
    // The helper's log says which connections the listener refused.
    const carrier = yield* carryOver(yield* joined, (text) => void Effect.runFork(writeStderr(text)))
    const explain = ({ detail }: TunnelLost) => new TunnelLost({ detail: carrier.complaint() || detail })
    return yield* Effect.gen(function* () {
      yield* carrier.begin(`${key}\n`)
      yield* report({ _tag: "Reachable", address: yield* readLine(carrier.duplex, "the listener") })
      yield* within(readLine(carrier.duplex, "the listener"), "no caller connected")
      return yield* makeTunnel(carrier.duplex, {
        channels: Array.from({ length: commands }, (_, index) => index + 1)
      })
    }).pipe(Effect.mapError(explain))
  })
})

/**
 * Names the network of the node's engine that has a tunnel's addresses: the swarm can't attach a container to the tunnel's network then,
 * but reports the reason to managers only.
 */
const whyNotAttached = Effect.fnUntraced(function* (engine: DockerEngine["Service"], error: EngineFailure) {
  const own = (yield* engine.listNetworks({ scope: ["local"] })).find(hasTunnelRange)
  return yield* own === undefined
    ? error
    : new TunnelLost({ detail: `network ${own.Name} of the node: Pool overlaps with other one on this address space` })
})

/** Whether the network may still appear: the caller creates it at the same time, and Swarm announces it to a node on first use. */
const isNotYetThere = (error: EngineFailure | TunnelLost): boolean =>
  error._tag === "EngineError" && /network .* not found/i.test(error.text) && !isPoolOverlap(error.text)
