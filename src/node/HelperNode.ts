/** A node that is reached by temporary services, helpers, which are made when they are needed. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Swarm } from "../engine/Swarm.ts"
import type { ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { type Ending, killed } from "../executor/ExecutorErrors.ts"
import type { HelperPlace } from "../helper/Helper.ts"
import type { HelperWork } from "../helper/HelperRequest.ts"
import type { TunnelNetwork } from "../helper/TunnelNetwork.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import { CopyLost } from "../protocol/ContainerFiles.ts"
import type { Runs } from "../protocol/Endings.ts"
import { filesOver } from "../protocol/FilesClient.ts"
import { readEarly } from "./EarlyInput.ts"
import { endManyByHelper, secondHelperPatience } from "./EndByHelper.ts"
import { type HelperLink, openHelperLink } from "./HelperLink.ts"
import { prepareTunnel } from "./HelperTunnel.ts"
import type { NodeConnection, Specs } from "./NodeConnection.ts"
import { prepareCommands } from "./RemoteCommands.ts"

/** What helpers on a node are made of. */
export interface HelperNodeOptions {
  readonly place: HelperPlace
  /** Of the commands' objects. */
  readonly owner: Effect.Effect<Ownership>
  /** For tunnels, beside those to other nodes. */
  readonly network?: TunnelNetwork
}

/** The connection. Nothing is made before a command begins, or files are asked for. */
export const openHelperNode = Effect.fnUntraced(function* ({
  network,
  owner,
  place
}: HelperNodeOptions): Effect.fn.Return<NodeConnection, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const onSwarm = Effect.provideService(Swarm, swarm)
  const node = place.node.hostname

  const commands = Effect.fnUntraced(function* (specs: Specs, first: number) {
    let link: HelperLink | undefined
    const open = Effect.fnUntraced(function* (begin: ReadonlyArray<number>, inputs: ReadonlyMap<number, ExecInput>) {
      const [early = 0] = begin
      const input = yield* earlyInput(specs, inputs.get(early))
      const waits = begin.length < specs.length || input.goesOn || specs.some(hasTerminal)
      const isSilent = specs.every(({ detach }) => detach)
      const made = yield* owner
      const work: HelperWork = {
        _tag: "Exec",
        specs,
        begin,
        ...(input.whole === undefined ? {} : { input: input.whole })
      }
      const addition =
        isSilent && !waits
          ? undefined
          : yield* prepareTunnel({
              place,
              owner: made,
              from: waits ? "start" : "output",
              commands: specs.length,
              shared: network
            })
      link = yield* openHelperLink({ place, owner: made, work, addition })
      const rest = (index: number) => (index === early ? input.stdin : (inputs.get(index)?.stdin ?? Stream.empty))
      return { line: link.line, stdin: input.whole === undefined ? rest : undefined }
    }, onSwarm)
    const endElsewhere = (runs: Runs): Effect.Effect<ReadonlyArray<Ending>> =>
      Effect.gen(function* () {
        // A helper that has not greeted is removed: what it may begin until it stops, it ends itself.
        if (link !== undefined && !link.isAtWork()) yield* link.stop
        if (link === undefined || !link.isAtWork()) return runs.map(() => killed)
        // Swarm takes over two seconds to stop a task, so a helper at work is overtaken by another one.
        const patience = link.hasMoved() ? secondHelperPatience : place.placementTimeout
        const endings = yield* onSwarm(endManyByHelper({ ...place, placementTimeout: patience }, runs))
        if (runs.length === specs.length && endings.some(({ _tag }) => _tag !== "Killed")) yield* link.stop
        return endings
      })
    return yield* prepareCommands(node, specs, first, {
      open,
      isAtWork: () => link?.mayHaveBegun() ?? false,
      endElsewhere
    })
  })

  return {
    route: "helper",
    commands,
    files: Effect.fnUntraced(function* (container, policy) {
      const made = yield* makeOwnership(undefined)
      const addition = yield* prepareTunnel({ place, owner: made, from: "start", commands: 0, shared: network })
      const link = yield* openHelperLink({ place, owner: made, work: { _tag: "Copy", container, policy }, addition })
      const tunnel = yield* Effect.catchTag(link.tunnel, "TunnelLost", ({ detail }) =>
        Effect.fail(new CopyLost({ node, detail }))
      )
      return yield* filesOver(node, tunnel)
    }, onSwarm)
  }
})

const hasTerminal = ({ detach, tty }: ExecSpec): boolean => tty !== undefined && !detach

/** What of the input can travel in the request: all of it, or nothing. */
const earlyInput = Effect.fnUntraced(function* (specs: Specs, input: ExecInput | undefined) {
  const hasInput = input !== undefined && specs.some(({ detach, stdin }) => stdin && !detach)
  if (!hasInput || specs.some(hasTerminal)) {
    return { goesOn: hasInput, whole: undefined, stdin: input?.stdin ?? Stream.empty }
  }
  const early = yield* readEarly(input.stdin)
  if (!early.isWhole) return { goesOn: true, whole: undefined, stdin: early.stdin }
  return { goesOn: false, whole: Buffer.concat(yield* Stream.runCollect(early.stdin)), stdin: Stream.empty }
})
