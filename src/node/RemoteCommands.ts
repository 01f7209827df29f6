/** Commands on another node: one request for all commands, and a line to each. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TunnelLost } from "../carrier/Channel.ts"
import type { ExecInput } from "../executor/ExecEvent.ts"
import type { EndRun } from "../executor/ExecSpec.ts"
import { type KillResult, killed } from "../executor/KillResult.ts"
import { memoize } from "../internal/memoize.ts"
import { makeCommandClient } from "../protocol/Client.ts"
import { encodeCallerMessage } from "../protocol/CommandMessages.ts"
import { endTogether, type Runs } from "../protocol/endTogether.ts"
import type { Line } from "../protocol/Line.ts"
import { makeOpening } from "../protocol/Opening.ts"
import type { RunError } from "../Run.ts"
import type { NodeCommands, Specs } from "./NodeConnection.ts"

/** The lines to the commands on a node, after their request was sent. */
export interface OpenLines {
  /** Returns the line to the command of a channel. The command with index 0 has channel 1. */
  readonly line: (channel: number) => Line<RunError | TunnelLost>
  /** Returns the input that is not in the request, by the command's index. `undefined` if the request holds all input. */
  readonly stdin: ((index: number) => Stream.Stream<Uint8Array>) | undefined
}

/** How commands are sent to their node. */
export interface RemoteNode {
  /**
   * Sends the request. `begin`: indices of the commands that begin with it. `inputs`: the commands' inputs by index, with equal content.
   */
  readonly open: (
    begin: ReadonlyArray<number>,
    inputs: ReadonlyMap<number, ExecInput>
  ) => Effect.Effect<OpenLines, RunError, Scope.Scope>
  /** Whether the node may already serve the request. */
  readonly mayBeServing: () => boolean
  /** Kills commands that have begun, without using their lines. Returns their kill results, in order. */
  readonly endElsewhere: (runs: Runs) => Effect.Effect<ReadonlyArray<KillResult>>
}

/** Prepares commands on the node of this host name. The caller begins the `first` ones at the same time. */
export const prepareCommands = Effect.fnUntraced(function* (
  node: string,
  specs: Specs,
  first: number,
  remote: RemoteNode
): Effect.fn.Return<NodeCommands, never, Scope.Scope> {
  const opening = makeOpening(first)
  const inputs = new Map<number, ExecInput>()
  const begun = new Set<string>()
  const lines = yield* memoize(Effect.flatMap(opening.ready, (begin) => remote.open(begin, inputs)))
  const endTogetherElsewhere = yield* endTogether(remote.endElsewhere)
  const endElsewhere = (run: EndRun): Effect.Effect<KillResult> =>
    // A command that was not asked to begin has no processes.
    Effect.suspend(() => (begun.has(run.runId) ? endTogetherElsewhere(run) : Effect.succeed(killed)))

  return {
    leave: opening.leave,
    exec: Effect.fnUntraced(function* (index, input) {
      const spec = specs[index] ?? specs[0]
      const stdin = yield* Deferred.make<Stream.Stream<Uint8Array>>()
      inputs.set(index, input)
      const open = Effect.gen(function* () {
        begun.add(spec.runId)
        const isInRequest = yield* opening.begin(index)
        const { line: lineOf, stdin: rest } = yield* lines
        const line = lineOf(index + 1)
        // Reads also the input that travels in the request to its end, because the audit record counts its bytes.
        const remaining = rest?.(index) ?? Stream.concat(Stream.drain(input.stdin), Stream.never)
        yield* Deferred.succeed(stdin, remaining)
        // If the message can't be sent, the line fails as well.
        if (!isInRequest) yield* Effect.ignore(line.send(encodeCallerMessage({ _tag: "Begin" })))
        return line
      })
      const client = makeCommandClient({
        node,
        spec,
        input: { sizes: input.sizes, stdin: Stream.unwrap(Deferred.await(stdin)) },
        open,
        endElsewhere
      })
      return { ...client, mayHaveBegun: () => begun.has(spec.runId) && remote.mayBeServing() }
    })
  }
})
