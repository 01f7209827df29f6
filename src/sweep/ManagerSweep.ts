/** Removes the leftovers that managers hold: services, secrets and networks. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isInUse, type SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { labelKeys } from "../Labels.ts"
import { type Findings, joinFindings, type Labelled, type SweepMode, sweepObjects } from "./Findings.ts"

/** The services, secrets and networks that a sweep found. */
export interface ManagerFindings extends Findings {
  /** IDs of all services of task-exec, including those that the sweep removed. */
  readonly services: ReadonlyArray<string>
}

const ownObjects = { label: [labelKeys.run] }

/** The retries of a network's removal. Tasks of a removed service use the network until their grace period ends. */
const release = Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

/** Removes a network, and retries while it is in use. */
const removeNetwork = (swarm: SwarmShape, id: string): Effect.Effect<void, SwarmFailure> =>
  Effect.retry(swarm.removeNetwork(id), { schedule: release, while: isInUse })

/**
 * Removes leftover services first, then secrets and networks, which can't be removed while services use them. Lists all three at the same
 * time, so a sweep without findings takes as long as one request.
 */
export const sweepManagers = Effect.fn("Sweep.managers")(function* (
  mode: SweepMode
): Effect.fn.Return<ManagerFindings, SwarmFailure, Swarm> {
  const swarm = yield* Swarm
  const [services, secrets, networks] = yield* Effect.all(
    [swarm.listServices(ownObjects), swarm.listSecrets(ownObjects), swarm.listNetworks(ownObjects)],
    { concurrency: "unbounded" }
  )
  // The labels of a network can't change. So the deadline of the network's service counts while that service exists.
  const deadlines = new Map(
    services.map(({ Spec: { Labels } }) => [Labels[labelKeys.run], Labels[labelKeys.deadline] ?? ""] as const)
  )
  const findings = [
    yield* sweepObjects(
      services.map(
        ({ ID, Spec }): Labelled => ({
          kind: "service",
          id: ID,
          name: Spec.Name,
          labels: Spec.Labels,
          remove: swarm.removeService(ID)
        })
      ),
      mode
    ),
    yield* sweepObjects(
      secrets.map(
        ({ ID, Spec }): Labelled => ({
          kind: "secret",
          id: ID,
          name: Spec.Name,
          labels: Spec.Labels,
          remove: swarm.removeSecret(ID)
        })
      ),
      mode
    ),
    yield* sweepObjects(
      networks.map(({ Id, Labels, Name }): Labelled => {
        const deadline = deadlines.get(Labels[labelKeys.run])
        return {
          kind: "network",
          id: Id,
          name: Name,
          labels: deadline === undefined ? Labels : { ...Labels, [labelKeys.deadline]: deadline },
          remove: removeNetwork(swarm, Id)
        }
      }),
      mode
    )
  ]
  return { ...joinFindings(findings), services: services.map(({ ID }) => ID) }
})
