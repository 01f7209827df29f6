/** Checks everything that task-exec needs of a swarm. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { agentRemains } from "../../src/agent/AgentService.ts"
import { CurrentInventory } from "../../src/engine/Inventory.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import type { HelperImage } from "../../src/helper/HelperImage.ts"
import { openTunnelNetwork } from "../../src/helper/TunnelNetwork.ts"
import { makeOwnership } from "../../src/Labels.ts"
import { sweep } from "../../src/sweep/Sweep.ts"
import { type Check, checksOf, type Subject } from "./Check.ts"
import { explainHelper } from "./Explain.ts"
import { checkNode } from "./NodeChecks.ts"
import { askEngine, byName, checkManagers, checkRole, findImage, judgeLeftovers } from "./SwarmChecks.ts"

/** Options of the checks. */
export interface DoctorOptions {
  /** The helper's image on the command line. */
  readonly image: string | undefined
  /** Milliseconds that each helper may take. */
  readonly timeout: number
  /** Check the overlay network. */
  readonly network: boolean
}

/** Nodes that are checked at the same time. Each has a relay on the connected engine. */
const nodesAtOnce = 8

const { fails, skipAll } = checksOf()

/** Receives the checks. */
export interface Reporter<E> {
  readonly report: (check: Check) => Effect.Effect<void, E>
  /** Called with the number of nodes that are not checked yet. */
  readonly waitFor: (nodes: number) => Effect.Effect<void>
}

/** Runs the checks and reports each one, node after node. */
export const diagnose = Effect.fn("Doctor.diagnose")(function* <E>(
  options: DoctorOptions,
  { report, waitFor }: Reporter<E>
) {
  const reportAll = (checks: ReadonlyArray<Check>) => Effect.forEach(checks, report, { discard: true })
  const skip = (subjects: ReadonlyArray<Subject>, why: string) => reportAll(skipAll(subjects, why))

  const { check, known } = yield* askEngine()
  yield* report(check)
  if (known === undefined)
    return yield* skip(["swarm", "managers", "image", "node", "leftovers"], "the engine does not respond")
  const role = checkRole(known.info)
  yield* report(role)
  if (role.verdict === "fails") return yield* skip(["managers", "image", "node", "leftovers"], "not a manager")

  const listed = yield* Effect.result(Swarm.use((swarm) => swarm.listNodes()))
  if (listed._tag === "Failure") {
    const next = "start managers again until more than half of them are reachable"
    yield* report(fails("managers", { found: listed.failure.message, next }))
    return yield* skip(["image", "node", "leftovers"], "the managers do not respond")
  }
  const nodes = listed.success.toSorted((a, b) => byName(a.Description.Hostname, b.Description.Hostname))
  yield* report(checkManagers(nodes))
  const image = yield* findImage(options.image)
  yield* report(image.check)

  // The sweep has helpers of its own, and runs at the same time.
  const leftovers = yield* Effect.forkScoped(lookForLeftovers(options))
  const network = options.network
    ? yield* openTunnelNetwork(yield* makeOwnership(undefined), image.reference, nodes.length)
    : undefined
  const here = { id: known.info.Swarm.NodeID, stamp: known.stamp }
  let left = nodes.length
  yield* waitFor(left)
  yield* Stream.fromIterable(nodes).pipe(
    Stream.mapEffect((node) => checkNode(node, { image, here, network, timeout: options.timeout }), {
      concurrency: nodesAtOnce
    }),
    Stream.runForEach((checks) => {
      left--
      return Effect.andThen(reportAll(checks), waitFor(left))
    })
  )
  yield* report(yield* Fiber.join(leftovers))
}, Effect.scoped)

const lookForLeftovers = ({
  image,
  timeout
}: DoctorOptions): Effect.Effect<Check, never, Swarm | HelperImage | Scope.Scope> =>
  Effect.flatMap(CurrentInventory, (inventory) =>
    Effect.all(
      [sweep({ dryRun: true, placementTimeout: timeout, ...(image === undefined ? {} : { image }) }), agentRemains()],
      { concurrency: 2 }
    ).pipe(
      Effect.match({
        onSuccess: ([report, agents]) =>
          judgeLeftovers(report, agents, {
            runs: inventory.cleanUpCommand(),
            agents: inventory.taskExec("agent down")
          }),
        onFailure: (error) => fails("leftovers", explainHelper(error, "the manager"))
      })
    )
  )
