/**
 * Creates temporary services: services of the helper's image that last as long as a scope and read a request from a secret. Helpers and
 * sweepers are temporary services.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isInUse, type SwarmFailure } from "../engine/EngineErrors.ts"
import { owned, removeOnce } from "../engine/Owned.ts"
import type { NetworkAttachment, ServiceSpec } from "../engine/RequestBodies.ts"
import { type Restarts, restartPolicy } from "../engine/ServiceRemoval.ts"
import { Swarm } from "../engine/Swarm.ts"
import { type Ownership, ownershipLabels, type Role } from "../Labels.ts"
import { RequestTooLarge } from "./ConnectionErrors.ts"
import { requestFile } from "./HelperRequest.ts"
import { nodeContainer } from "./NodeService.ts"

/** Swarm's limit on a secret (API reference, `SecretSpec.Data`): less than 500 KB. */
const secretLimit = 500_000 - 1

/** The network of a service's tasks. The effect runs while the secret is created. */
export type Network = Effect.Effect<NetworkAttachment, SwarmFailure>

/** The host network. A service must have a network. This one already exists, which saves 0.2 s (engine 20.10). */
export const hostNetwork: Network = Effect.succeed({ Target: "host" })

/** The engine's bridge network, for engines that remap user namespaces: they refuse containers on the host network. */
export const bridgeNetwork: Network = Effect.succeed({ Target: "bridge" })

/** Options of {@link openTemporaryService}. */
export interface TemporaryServiceOptions {
  readonly owner: Ownership
  readonly role: Role
  /** Reference of the helper's image, as the nodes' engines resolve it. */
  readonly image: string
  /** The subcommand of the image that serves the request. */
  readonly command: string
  /** The content of the secret. */
  readonly request: string
  /** `global`: one task on every node that the constraints allow. `single`: one task on one of these nodes. */
  readonly mode: "global" | "single"
  readonly constraints: ReadonlyArray<string>
  /** Milliseconds between the stop signal and KILL. */
  readonly stopGrace: number
  readonly network: Network
  /** Runs just before the request to create the service. Default: nothing. */
  readonly creating?: Effect.Effect<void>
  /** When Swarm replaces the task. It may start a second task even with `never`, so a helper checks that it is the first. */
  readonly restarts: Exclude<Restarts, "always">
}

/** A temporary service. */
export interface TemporaryService {
  readonly spec: ServiceSpec
  /** Removes the service before its scope closes. */
  readonly remove: Effect.Effect<void, SwarmFailure>
}

/**
 * Creates the secret and the service. Both are removed when the scope closes, even if the response to their
 * creation was lost. The inventory reports objects that can't be removed.
 */
export const openTemporaryService = Effect.fnUntraced(function* (
  options: TemporaryServiceOptions
): Effect.fn.Return<TemporaryService, RequestTooLarge | SwarmFailure, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const name = nameOf(options.owner)
  const { runId } = options.owner
  const data = new TextEncoder().encode(options.request)
  if (data.length > secretLimit) return yield* new RequestTooLarge({ bytes: data.length, limit: secretLimit })

  // The service may appear after its removal has found none: when a leader is lost, a follower sends the creation again to the next one
  // (swarmkit, `raftproxy`). Then the secret is still in use.
  const removeSecret = Effect.tapError(swarm.removeSecret(name), (error) =>
    isInUse(error) ? Effect.ignore(swarm.removeService(name)) : Effect.void
  )
  const secret = swarm.createSecret({ name, labels: ownershipLabels(options.owner, "request"), data })
  const [secretId, network] = yield* Effect.all(
    [owned(secret, removeSecret, { kind: "secret", name, runId }), options.network],
    { concurrency: 2 }
  )
  const spec = serviceSpec(name, secretId, network, options)
  const remove = removeOnce(swarm.removeService(name))
  yield* options.creating ?? Effect.void
  yield* owned(swarm.createService(spec), remove, { kind: "service", name, runId })
  return { spec, remove }
})

/** Returns the name of a run's secret and service. */
export const nameOf = ({ runId }: Ownership): string => `task-exec-${runId}`

const serviceSpec = (
  name: string,
  secretId: string,
  network: NetworkAttachment,
  options: TemporaryServiceOptions
): ServiceSpec => {
  const labels = ownershipLabels(options.owner, options.role)
  return {
    Name: name,
    Labels: labels,
    Mode: options.mode === "global" ? { Global: {} } : { Replicated: { Replicas: 1 } },
    EndpointSpec: { Mode: "dnsrr" },
    TaskTemplate: {
      ContainerSpec: nodeContainer({ ...options, labels, secret: { id: secretId, name, file: requestFile } }),
      RestartPolicy: restartPolicy(options.restarts),
      Placement: { Constraints: options.constraints },
      Networks: [network],
      // Engines merge their default options into these, so every option that could lose lines is set here.
      LogDriver: {
        Name: "json-file",
        Options: { "max-size": "8g", "max-file": "1", compress: "false", mode: "blocking" }
      }
    }
  }
}
