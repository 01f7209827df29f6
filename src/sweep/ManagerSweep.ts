/** Sweeps what the managers keep: services, secrets and networks. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isInUse, type SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { labelKeys } from "../Labels.ts"
import { type Findings, joinFindings, type Labelled, type SweepMode, sweepObjects } from "./Findings.ts"

/** What was found at the managers. */
export interface ManagerFindings extends Findings {
  /** IDs of all services of ours that there were, those among them that are removed now. */
  readonly services: ReadonlyArray<string>
}

const ours = { label: [labelKeys.run] }

/** How long the tasks of a service that was just removed may hold its network: a command may take its grace period to end. */
const release = Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

/** A network in use can't be removed. */
const removeNetwork = (swarm: SwarmShape, id: string): Effect.Effect<void, SwarmFailure> =>
  Effect.retry(swarm.removeNetwork(id), { schedule: release, while: isInUse })

/**
 * Sweeps services first, secrets and networks after them: what is in use can't be removed. Looks for all of them at the same
 * time, so a sweep that finds nothing takes as long as one question.
 */
export const sweepManagers = Effect.fn("Sweep.managers")(function* (
  mode: SweepMode
): Effect.fn.Return<ManagerFindings, SwarmFailure, Swarm> {
  const swarm = yield* Swarm
  const [services, secrets, networks] = yield* Effect.all(
    [swarm.listServices(ours), swarm.listSecrets(ours), swarm.listNetworks(ours)],
    { concurrency: "unbounded" }
  )
  // The labels of a network can't change: as long as its service is there, it is the service's deadline that counts.
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
