/** The connection to a node through helpers: temporary services, created when they are needed. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Swarm } from "../engine/Swarm.ts"
import type { ExecInput } from "../executor/ExecEvent.ts"
import type { ExecSpec } from "../executor/ExecSpec.ts"
import { type KillResult, killed } from "../executor/KillResult.ts"
import type { HelperPlacement } from "../helper/Helper.ts"
import type { HelperWork, TunnelNeed } from "../helper/HelperRequest.ts"
import type { TunnelNetwork } from "../helper/TunnelNetwork.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import { CopyLost } from "../protocol/ContainerFiles.ts"
import type { Runs } from "../protocol/endTogether.ts"
import { filesOver } from "../protocol/FilesClient.ts"
import { readEarly } from "./EarlyInput.ts"
import { endManyByHelper, secondPlacementTimeout } from "./EndByHelper.ts"
import { type HelperConnection, openHelperConnection } from "./HelperConnection.ts"
import { prepareTunnel } from "./HelperTunnel.ts"
import type { NodeConnection, Specs } from "./NodeConnection.ts"
import { prepareCommands } from "./RemoteCommands.ts"

/** Options of {@link openHelperNode}. */
export interface HelperNodeOptions {
  readonly placement: HelperPlacement
  /** Ownership of the objects that the commands need. */
  readonly owner: Effect.Effect<Ownership>
  /** The network that tunnels to several nodes share. */
  readonly network?: TunnelNetwork
}

/** Opens the node connection. Creates nothing until a command begins or files are requested. */
export const openHelperNode = Effect.fnUntraced(function* ({
  network,
  owner,
  placement
}: HelperNodeOptions): Effect.fn.Return<NodeConnection, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const onSwarm = Effect.provideService(Swarm, swarm)
  const node = placement.node.hostname

  const commands = Effect.fnUntraced(function* (specs: Specs, first: number) {
    let connection: HelperConnection | undefined
    const open = Effect.fnUntraced(function* (begin: ReadonlyArray<number>, inputs: ReadonlyMap<number, ExecInput>) {
      const [early = 0] = begin
      const input = yield* earlyInput(specs, inputs.get(early))
      const hasKeys = specs.some(hasTerminal)
      const waits = begin.length < specs.length || input.goesOn
      const isSilent = specs.every(({ detach }) => detach)
      const made = yield* owner
      const work: HelperWork = {
        _tag: "Exec",
        specs,
        begin,
        ...(input.whole === undefined ? {} : { input: input.whole })
      }
      connection = yield* isSilent && !waits
        ? openHelperConnection({ placement, owner: made, work, helperTunnel: undefined })
        : openTunneledHelper({
            placement,
            owner: made,
            work,
            from: hasKeys ? "command" : waits ? "start" : "output",
            shared: network
          })
      const rest = (index: number) => (index === early ? input.stdin : (inputs.get(index)?.stdin ?? Stream.empty))
      return { line: connection.line, stdin: input.whole === undefined ? rest : undefined }
    }, onSwarm)
    const endElsewhere = Effect.fnUntraced(function* (runs: Runs): Effect.fn.Return<ReadonlyArray<KillResult>> {
      if (connection === undefined) return runs.map(() => killed)
      // Remove a helper that has not greeted. It kills the commands that it may begin until then.
      const stopped = connection.hasGreeted() ? undefined : yield* connection.stop
      if (stopped !== undefined && !connection.hasGreeted()) return runs.map(() => stopped)
      // Swarm takes over two seconds to stop a task. A second helper kills the commands sooner.
      const timeout = connection.hasMoved() ? secondPlacementTimeout : placement.placementTimeout
      const killResults = yield* onSwarm(endManyByHelper({ ...placement, placementTimeout: timeout }, runs))
      if (runs.length === specs.length && killResults.some(({ _tag }) => _tag !== "Killed")) yield* connection.stop
      return killResults
    })
    return yield* prepareCommands(node, specs, first, {
      open,
      mayBeServing: () => connection?.mayHaveBegun() ?? false,
      endElsewhere
    })
  })

  return {
    route: "helper",
    commands,
    files: Effect.fnUntraced(function* (container, policy) {
      const made = yield* makeOwnership(undefined)
      const work: HelperWork = { _tag: "Copy", container, policy }
      const connection = yield* openTunneledHelper({ placement, owner: made, work, from: "start", shared: network })
      const tunnel = yield* Effect.catchTag(connection.tunnel, ["OutcomeUnknown", "TunnelLost"], ({ detail }) =>
        Effect.fail(new CopyLost({ node, detail }))
      )
      return yield* filesOver(node, tunnel)
    }, onSwarm)
  }
})

/** Options of {@link openTunneledHelper}. */
export interface TunneledHelperOptions {
  readonly placement: HelperPlacement
  readonly owner: Ownership
  readonly work: HelperWork
  /** When the tunnel is needed first: see `HelperRequest`. */
  readonly from: TunnelNeed
  /** The network that tunnels to several nodes share. */
  readonly shared?: TunnelNetwork | undefined
}

/** Creates a helper to which a tunnel is added. */
export const openTunneledHelper = Effect.fnUntraced(function* ({
  from,
  owner,
  placement,
  shared,
  work
}: TunneledHelperOptions) {
  const commands = work._tag === "Exec" ? work.specs.length : 0
  const helperTunnel = yield* prepareTunnel({ placement, owner, from, commands, shared })
  return yield* openHelperConnection({ placement, owner, work, helperTunnel })
})

const hasTerminal = ({ detach, tty }: ExecSpec): boolean => tty !== undefined && !detach

/** Reads the start of the input. `whole` is all of the input, for the request; `undefined` if the input continues or is too long. */
const earlyInput = Effect.fnUntraced(function* (specs: Specs, input: ExecInput | undefined) {
  const hasInput = input !== undefined && specs.some(({ detach, stdin }) => stdin && !detach)
  if (!hasInput || specs.some(hasTerminal)) {
    return { goesOn: hasInput, whole: undefined, stdin: input?.stdin ?? Stream.empty }
  }
  const early = yield* readEarly(input.stdin)
  if (!early.isWhole) return { goesOn: true, whole: undefined, stdin: early.stdin }
  return { goesOn: false, whole: Buffer.concat(yield* Stream.runCollect(early.stdin)), stdin: Stream.empty }
})
