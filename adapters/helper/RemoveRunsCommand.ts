/** The guard's work after its caller was killed: kills the run's commands on other nodes, and removes the run's objects. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Swarm } from "../../src/engine/Swarm.ts"
import { endedPrefix, endpointsVariable, GuardEndpoints, GuardedCommand } from "../../src/executor/RunInventory.ts"
import { defaultImage } from "../../src/helper/DefaultImage.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { endManyByHelper, secondPlacementTimeout } from "../../src/node/EndByHelper.ts"
import { sweep } from "../../src/sweep/Sweep.ts"

/** How often a request to an unreachable engine is repeated. */
const retries = Schedule.spaced("2 seconds").pipe(Schedule.upTo({ duration: "5 minutes" }))

const engine = Layer.unwrap(
  Effect.map(Schema.decodeUnknownEffect(GuardEndpoints)(process.env[endpointsVariable]), ([first, ...others]) =>
    Swarm.layerForAny([first, ...others])
  )
)

/**
 * Carries out the caller's messages to the guard: IDs of runs, commands, and which of these commands have ended.
 *
 * **Details**: removing a helper's service also makes the helper end its command. Swarm takes over two seconds for that, and may kill the
 * helper first, so another helper on its node kills the command at the same time. The objects are removed twice, because the engine may
 * still carry out the caller's last requests.
 */
export const removeRunsCommand = (lines: ReadonlyArray<string>): Effect.Effect<number> => {
  const runs: Array<string> = []
  const commands = new Map<string, typeof GuardedCommand.Type>()
  for (const text of lines) {
    const command = text.startsWith("{") ? Result.getOrUndefined(decodeCommand(text)) : undefined
    if (command !== undefined) commands.set(command.run.runId, command)
    else if (text.startsWith(endedPrefix)) commands.delete(text.slice(endedPrefix.length))
    else runs.push(text)
  }
  const removal = Effect.retry(sweep({ runs, nodes: "local" }), retries)
  return Effect.all([removal, endAll([...commands.values()])], { concurrency: 2 }).pipe(
    Effect.andThen(Effect.sleep("2 seconds")),
    Effect.andThen(removal),
    // The sweep stays on this node, and the commands name their image: the guard needs no configuration.
    Effect.provide(HelperImage.layerOf(defaultImage)),
    Effect.provide(engine),
    Effect.as(0),
    // No one reads an error of the guard. The objects still have their deadline.
    Effect.orElseSucceed(() => 1)
  )
}

const decodeCommand = Schema.decodeUnknownResult(GuardedCommand)

/** Kills the commands, those of one node together. */
const endAll = (commands: ReadonlyArray<typeof GuardedCommand.Type>) =>
  Effect.forEach(
    Map.groupBy(commands, ({ node }) => node.id).values(),
    ([first, ...more]) =>
      first === undefined
        ? Effect.void
        : endManyByHelper(
            {
              image: first.image,
              node: first.node,
              task: first.run.container,
              placementTimeout: secondPlacementTimeout
            },
            [first.run, ...more.map(({ run }) => run)]
          ),
    { concurrency: "unbounded", discard: true }
  )
