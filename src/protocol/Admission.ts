/** Whether a helper may serve its request: on the right node, in the right protocol, and as the first of its run. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { protocolVersion } from "../carrier/Frame.ts"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { type ContainerSummary, swarmTaskLabel } from "../engine/EngineSchemas.ts"
import type { EndRun } from "../executor/ExecSpec.ts"
import { describeEnding } from "../executor/ExecutorErrors.ts"
import { ProcessKiller } from "../executor/ProcessKiller.ts"
import { HelperRefused, type UsernsRemapped } from "../helper/HelperErrors.ts"
import { type HelperRequest, helperVariables } from "../helper/HelperRequest.ts"
import { labelKeys } from "../Labels.ts"
import { nameRemapping } from "./UidMap.ts"

const thisNode = () => process.env[helperVariables.node] ?? ""

/** This helper won't. */
export const refuse = (detail: string) => new HelperRefused({ node: thisNode(), detail })

/** Why a request is not served. */
export type AdmissionError = EngineFailure | HelperRefused | UsernsRemapped

/** Fails where a request is in another protocol, or for another node. */
export const checkAddress = ({ node, protocol }: HelperRequest): Effect.Effect<void, HelperRefused> => {
  if (protocol !== protocolVersion) {
    return Effect.fail(refuse(`it speaks protocol ${protocolVersion}, the request is in protocol ${protocol}`))
  }
  return node === thisNode() ? Effect.void : Effect.fail(refuse(`the target's node is ${node}`))
}

/** Gives the ID of this helper's image, or the reason why the request is not served. */
export const admit = Effect.fn("Helper.admit")(function* (
  request: HelperRequest
): Effect.fn.Return<string, AdmissionError, DockerEngine> {
  yield* checkAddress(request)
  return yield* onlyHelper(request).pipe(Effect.mapError(nameRemapping))
})

/**
 * Whether this container was sent a signal. Process 1 of a container does not get one that came before it listened for it: only the
 * engine knows of it, which keeps its last 256 events. To be asked for by who listens by now.
 */
export const wasSignalled: Effect.Effect<boolean, EngineFailure, DockerEngine> = Effect.gen(function* () {
  const { pastEvents } = yield* DockerEngine
  // The engine is on this machine, and has the same clock.
  const now = yield* Clock.currentTimeMillis
  const label = [`${swarmTaskLabel}=${process.env[helperVariables.task]}`]
  return (yield* pastEvents({ type: ["container"], label, event: ["kill"] }, now)).length > 0
})

/**
 * Whoever is not the first helper of its run must not run the command. Swarm starts another one for one that was killed,
 * which is the moment to end what that one left running, and may start a second one beside the first (swarmkit 2327).
 * The containers of all of them stay on the node until the service is removed. Neither must one that was told to end before
 * it could listen. Gives the ID of this helper's image.
 */
const onlyHelper = Effect.fnUntraced(function* ({ node, owner, work }: HelperRequest) {
  const engine = yield* DockerEngine
  const task = process.env[helperVariables.task]
  const [helpers, isToEnd] = yield* Effect.all(
    [
      engine.listContainers({ label: [`${labelKeys.run}=${owner.runId}`, `${labelKeys.role}=helper`] }, { all: true }),
      wasSignalled
    ],
    { concurrency: 2 }
  )
  const own = helpers.find(({ Labels }) => Labels[swarmTaskLabel] === task)
  if (own === undefined) return yield* new HelperRefused({ node, detail: "it does not find its own container" })
  const others = helpers.filter((helper) => helper.Id !== own.Id)
  const [other] = others
  if (other === undefined) {
    if (isToEnd) return yield* new HelperRefused({ node, detail: "it was told to end before it began" })
    return own.ImageID
  }
  const before = `another helper of the same run is or was here (container ${other.Id.slice(0, 12)})`
  const specs = work._tag === "Exec" ? work.specs : []
  if (specs.length === 0 || !(yield* wereKilled(engine, others))) {
    return yield* new HelperRefused({ node, detail: before })
  }
  const endings = yield* endAll(specs).pipe(
    Effect.provide(ProcessKiller.layer({ image: Effect.succeed(own.ImageID), owner }))
  )
  const became = [...new Set(endings.map(describeEnding))].join("; ")
  return yield* new HelperRefused({ node, detail: `${before} and was killed; ${became}` })
})

/** Ends the commands of several runs on this node; tells what became of each. */
export const endAll = (runs: ReadonlyArray<EndRun>) =>
  Effect.forEach(
    runs,
    ({ container, grace, runId, signal }) => ProcessKiller.use(({ end }) => end({ runId, container, signal, grace })),
    { concurrency: "unbounded" }
  )

/** None of them runs, and not all of them ended by themselves: a helper exits with 0, whatever became of its command. */
const wereKilled = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  helpers: ReadonlyArray<ContainerSummary>
) {
  const states = yield* Effect.forEach(helpers, ({ Id }) =>
    Effect.map(engine.inspectContainer(Id), ({ State }) => State)
  )
  return states.every(({ Running }) => !Running) && states.some(({ ExitCode }) => ExitCode !== 0)
})
