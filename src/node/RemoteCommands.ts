/** Commands on another node: one request for all of them, and a line to each. */
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
import { endTogether, type Runs } from "../protocol/Endings.ts"
import type { Line } from "../protocol/Line.ts"
import { makeOpening } from "../protocol/Opening.ts"
import { encodeOrder } from "../protocol/Order.ts"
import type { RunError } from "../Run.ts"
import type { NodeCommands, Specs } from "./NodeConnection.ts"

/** What the commands of a node share, once their request was made. */
export interface Reached {
  /** The line to the command of a channel: its index and one. */
  readonly line: (channel: number) => Line<RunError | TunnelLost>
  /** What is left of the input of each command, by index. `undefined`: all of it is in the request. */
  readonly stdin: ((index: number) => Stream.Stream<Uint8Array>) | undefined
}

/** How the commands reach their node. */
export interface Reach {
  /** Makes the request. `begin`: indices of the commands that begin with it. `inputs`: theirs, by index; each is the same. */
  readonly open: (
    begin: ReadonlyArray<number>,
    inputs: ReadonlyMap<number, ExecInput>
  ) => Effect.Effect<Reached, RunError, Scope.Scope>
  /** Whether the node is at work on the request. */
  readonly isAtWork: () => boolean
  /** Ends commands that have begun, by other means than their lines; gives what became of each, in their order. */
  readonly endElsewhere: (runs: Runs) => Effect.Effect<ReadonlyArray<Ending>>
}

/** Prepares commands on the node of this host name, of which the `first` are said to begin at the same time. */
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
    // What was not told to begin has no processes.
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
        // What travels in the request is read to its end all the same: who watches it counts its bytes.
        const left = rest?.(index) ?? Stream.concat(Stream.drain(input.stdin), Stream.never)
        yield* Deferred.succeed(stdin, left)
        // Where it can't be sent the line fails, too.
        if (!isTold) yield* Effect.ignore(line.send(encodeOrder({ _tag: "Begin" })))
        return line
      })
      const conversation = converse({
        node,
        spec,
        input: { sizes: input.sizes, stdin: Stream.unwrap(Deferred.await(stdin)) },
        open,
        endElsewhere
      })
      return { ...conversation, mayHaveBegun: () => begun.has(spec.runId) && reach.isAtWork() }
    })
  }
})
