/** Whether a helper may serve its request: on the right node, in the right protocol, and as the first of its run. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { protocolVersion } from "../carrier/Frame.ts"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { type EngineFailure, isNotSent } from "../engine/EngineErrors.ts"
import { type ContainerSummary, swarmTaskLabel } from "../engine/EngineSchemas.ts"
import { summaryOf } from "../engine/Hints.ts"
import type { EndRun } from "../executor/ExecSpec.ts"
import { describeKillResult } from "../executor/KillResult.ts"
import { ProcessKiller } from "../executor/ProcessKiller.ts"
import { HelperRefused, type UsernsRemapped } from "../helper/HelperErrors.ts"
import { type HelperRequest, helperVariables } from "../helper/HelperRequest.ts"
import { labelKeys } from "../Labels.ts"
import { nameRemapping } from "./UidMap.ts"

const thisNode = () => process.env[helperVariables.node] ?? ""

/** The error with which a helper or agent refuses a request. */
export const refuse = (detail: string) => new HelperRefused({ node: thisNode(), detail })

/** Why a request is not served. */
export type AdmissionError = EngineFailure | HelperRefused | UsernsRemapped

/** Fails if a request uses another version of the protocol, or is for another node. */
export const checkAddress = ({ node, protocol }: HelperRequest): Effect.Effect<void, HelperRefused> => {
  if (protocol !== protocolVersion) {
    return Effect.fail(
      refuse(
        `it uses protocol ${protocolVersion}, and the request uses protocol ${protocol}; use the image of the caller's version`
      )
    )
  }
  return node === thisNode() ? Effect.void : Effect.fail(refuse(`the request is for node ${node}`))
}

/** Turns a missing response of the engine into a refusal: an earlier helper of the run may have begun the commands. */
const refusedIfUnanswered = (error: AdmissionError): AdmissionError =>
  isEngineFailure(error) && !isNotSent(error) ? refuse(summaryOf(error)) : error

const isEngineFailure = (error: AdmissionError): error is EngineFailure =>
  error._tag !== "HelperRefused" && error._tag !== "UsernsRemapped"

/** Checks whether this helper may serve the request. Returns the ID of the helper's image, or fails with the reason. */
export const admit = Effect.fn("Helper.admit")(function* (
  request: HelperRequest
): Effect.fn.Return<string, AdmissionError, DockerEngine> {
  yield* checkAddress(request)
  return yield* onlyHelper(request).pipe(Effect.mapError((error) => refusedIfUnanswered(nameRemapping(error))))
})

/**
 * Whether the engine sent this container a signal. Process 1 of a container misses signals that arrive before it has a handler. The engine
 * still has them among its last 256 events. Run this after the handler is installed.
 */
export const wasSignaled: Effect.Effect<boolean, EngineFailure, DockerEngine> = Effect.gen(function* () {
  const { pastEvents } = yield* DockerEngine
  // The engine runs on this machine, so it uses the same clock as this process.
  const now = yield* Clock.currentTimeMillis
  const label = [`${swarmTaskLabel}=${process.env[helperVariables.task]}`]
  return (yield* pastEvents({ type: ["container"], label, event: ["kill"] }, now)).length > 0
})

/**
 * Fails unless this is the first helper of its run and nothing has stopped it yet. Returns the ID of its image.
 *
 * Swarm replaces a helper that was killed. The new helper kills the commands that the first one left running. Swarm may also start a second
 * helper while the first one runs (swarmkit#2327). The containers of all helpers stay on the node until the service is removed.
 */
const onlyHelper = Effect.fnUntraced(function* ({ node, owner, work }: HelperRequest) {
  const engine = yield* DockerEngine
  const task = process.env[helperVariables.task]
  const [helpers, isStopped] = yield* Effect.all(
    [
      engine.listContainers({ label: [`${labelKeys.run}=${owner.runId}`, `${labelKeys.role}=helper`] }, { all: true }),
      wasSignaled
    ],
    { concurrency: 2 }
  )
  const own = helpers.find(({ Labels }) => Labels[swarmTaskLabel] === task)
  if (own === undefined) return yield* new HelperRefused({ node, detail: "it cannot find its own container" })
  const others = helpers.filter((helper) => helper.Id !== own.Id)
  const [other] = others
  if (other === undefined) {
    if (isStopped) return yield* new HelperRefused({ node, detail: "it was stopped before it started the command" })
    return own.ImageID
  }
  const before = `this node already had a helper of this run (container ${other.Id.slice(0, 12)})`
  const specs = work._tag === "Exec" ? work.specs : []
  if (specs.length === 0 || !(yield* wereKilled(engine, others))) {
    return yield* new HelperRefused({ node, detail: before })
  }
  const killResults = yield* endAll(specs).pipe(
    Effect.provide(ProcessKiller.layer({ image: Effect.succeed(own.ImageID), owner }))
  )
  const results = [...new Set(killResults.map(describeKillResult))].join("; ")
  return yield* new HelperRefused({ node, detail: `${before}, which was killed; ${results}` })
})

/** Kills the commands of several runs on this node. Returns their kill results, in order. */
export const endAll = (runs: ReadonlyArray<EndRun>) =>
  Effect.forEach(
    runs,
    ({ container, grace, runId, signal }) => ProcessKiller.use(({ end }) => end({ runId, container, signal, grace })),
    { concurrency: "unbounded" }
  )

/** Whether all helpers have ended and at least one of them was killed. A helper that ends by itself exits with 0. */
const wereKilled = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  helpers: ReadonlyArray<ContainerSummary>
) {
  const states = yield* Effect.forEach(helpers, ({ Id }) =>
    Effect.map(engine.inspectContainer(Id), ({ State }) => State)
  )
  return states.every(({ Running }) => !Running) && states.some(({ ExitCode }) => ExitCode !== 0)
})
