/** Sweeps what the managers keep: services, secrets and networks. */
import * as Effect from "effect/Effect"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { labelKeys } from "../Labels.ts"
import { type Findings, joinFindings, type Labelled, NotRemovable, type SweepMode, sweepObjects } from "./Findings.ts"

/** What was found at the managers. */
export interface ManagerFindings extends Findings {
  /** IDs of all services of ours that there were, those among them that are removed now. */
  readonly services: ReadonlyArray<string>
}

const ours = { label: [labelKeys.run] }

/**
 * Sweeps services first and secrets after them: a secret in use can't be removed. Looks for both at the same time, so a
 * sweep that finds nothing takes as long as one question.
 */
export const sweepManagers = Effect.fn("Sweep.managers")(function* (
  mode: SweepMode,
  options: { readonly networks: boolean }
): Effect.fn.Return<ManagerFindings, SwarmFailure, DockerEngine> {
  const engine = yield* DockerEngine
  const [services, secrets, networks] = yield* Effect.all(
    [
      engine.listServices(ours),
      engine.listSecrets(ours),
      options.networks ? engine.listNetworks(ours) : Effect.succeed([])
    ],
    { concurrency: "unbounded" }
  )
  const findings = [
    yield* sweepObjects(
      services.map(
        ({ ID, Spec }): Labelled => ({
          kind: "service",
          id: ID,
          name: Spec.Name,
          labels: Spec.Labels,
          remove: engine.removeService(ID)
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
          remove: engine.removeSecret(ID)
        })
      ),
      mode
    ),
    yield* sweepObjects(
      networks.map(
        ({ Id, Labels, Name }): Labelled => ({
          kind: "network",
          id: Id,
          name: Name,
          labels: Labels,
          remove: Effect.fail(new NotRemovable({ detail: `remove it with: docker network rm ${Name}` }))
        })
      ),
      mode
    )
  ]
  return { ...joinFindings(findings), services: services.map(({ ID }) => ID) }
})
