/** Commands on another node: one request for all commands, and a line to each. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TunnelLost } from "../carrier/Tunnel.ts"
import type { EndRun } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { type Ending, killed } from "../executor/ExecutorErrors.ts"
import { once } from "../internal/Once.ts"
import { converse } from "../protocol/Client.ts"
import { encodeCallerMessage } from "../protocol/CommandMessages.ts"
import { endTogether, type Runs } from "../protocol/Endings.ts"
import type { Line } from "../protocol/Line.ts"
import { makeOpening } from "../protocol/Opening.ts"
import type { RunError } from "../Run.ts"
import type { NodeCommands, Specs } from "./NodeConnection.ts"

/** The lines to the commands of a node, once their request is sent. */
export interface Reached {
  /** The line to the command of a channel. The command of index 0 has channel 1. */
  readonly line: (channel: number) => Line<RunError | TunnelLost>
  /** The input of each command that is not in the request, by index. `undefined`: all of it is in the request. */
  readonly stdin: ((index: number) => Stream.Stream<Uint8Array>) | undefined
}

/** How commands reach their node. */
export interface Reach {
  /** Sends the request. `begin`: indices of the commands that begin with it. `inputs`: their inputs by index, which are all the same. */
  readonly open: (
    begin: ReadonlyArray<number>,
    inputs: ReadonlyMap<number, ExecInput>
  ) => Effect.Effect<Reached, RunError, Scope.Scope>
  /** Whether the node may have begun to serve the request. */
  readonly mayBeServing: () => boolean
  /** Kills commands that have begun, without their lines. Returns the kill result of each, in their order. */
  readonly endElsewhere: (runs: Runs) => Effect.Effect<ReadonlyArray<Ending>>
}

/** Prepares commands on the node of this host name. The caller begins the `first` ones at the same time. */
export const prepareCommands = Effect.fnUntraced(function* (
  node: string,
  specs: Specs,
  first: number,
  reach: Reach
): Effect.fn.Return<NodeCommands, never, Scope.Scope> {
  const opening = makeOpening(first)
  const inputs = new Map<number, ExecInput>()
  const begun = new Set<string>()
  const reached = yield* once(Effect.flatMap(opening.ready, (begin) => reach.open(begin, inputs)))
  const endTogetherElsewhere = yield* endTogether(reach.endElsewhere)
  const endElsewhere = (run: EndRun): Effect.Effect<Ending> =>
    // A command that was not told to begin has no processes.
    Effect.suspend(() => (begun.has(run.runId) ? endTogetherElsewhere(run) : Effect.succeed(killed)))

  return {
    leave: opening.leave,
    exec: Effect.fnUntraced(function* (index, input) {
      const spec = specs[index] ?? specs[0]
      const stdin = yield* Deferred.make<Stream.Stream<Uint8Array>>()
      inputs.set(index, input)
      const open = Effect.gen(function* () {
        begun.add(spec.runId)
        const isTold = yield* opening.begin(index)
        const { line: lineOf, stdin: rest } = yield* reached
        const line = lineOf(index + 1)
        // Input in the request is read to its end, too: the recording counts its bytes.
        const left = rest?.(index) ?? Stream.concat(Stream.drain(input.stdin), Stream.never)
        yield* Deferred.succeed(stdin, left)
        // If the message can't be sent, the line fails, too.
        if (!isTold) yield* Effect.ignore(line.send(encodeCallerMessage({ _tag: "Begin" })))
        return line
      })
      const conversation = converse({
        node,
        spec,
        input: { sizes: input.sizes, stdin: Stream.unwrap(Deferred.await(stdin)) },
        open,
        endElsewhere
      })
      return { ...conversation, mayHaveBegun: () => begun.has(spec.runId) && reach.mayBeServing() }
    })
  }
})
