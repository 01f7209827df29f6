/**
 * A service of our own image that lives as long as its scope, with its request in a secret: what helpers and sweepers
 * have in common.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { NetworkAttachment, ServiceSpec } from "../engine/EngineSchemas.ts"
import { owned } from "../engine/Owned.ts"
import { type Restarts, restartPolicy } from "../engine/ServiceRemoval.ts"
import { Swarm } from "../engine/Swarm.ts"
import { type Ownership, ownershipLabels, type Role } from "../Labels.ts"
import { RequestTooLarge } from "./HelperErrors.ts"
import { requestFile } from "./HelperRequest.ts"
import { nodeContainer } from "./NodeService.ts"

/** Swarm's limit on a secret (API reference, `SecretSpec.Data`): less than 500 KB. */
const secretLimit = 500_000 - 1

/** The network that the tasks of a service are on. One that has to be made is made beside the secret. */
export type Network = Effect.Effect<NetworkAttachment, SwarmFailure>

/** A service has one even if it needs none: the host's opens nothing by itself and is there already (0.2 s on engine 20.10). */
export const hostNetwork: Network = Effect.succeed({ Target: "host" })

/** The engine's own bridge takes containers where user namespaces are remapped, too, which the host's network does not. */
export const bridgeNetwork: Network = Effect.succeed({ Target: "bridge" })

/** What the service is for. */
export interface TemporaryServiceOptions {
  readonly owner: Ownership
  readonly role: Role
  /** Reference of our image, as the nodes' engines are to resolve it. */
  readonly image: string
  /** The subcommand of our image that serves the request. */
  readonly command: string
  /** What it finds in its secret. */
  readonly request: string
  /** One task on every node that the constraints allow, or one task on one of them. */
  readonly mode: "global" | "single"
  readonly constraints: ReadonlyArray<string>
  /** Milliseconds between the signal to stop and KILL. */
  readonly stopGrace: number
  readonly network: Network
  /** Even "never" is no promise: a helper itself makes sure that it is the first. */
  readonly restarts: Exclude<Restarts, "always">
}

/**
 * Makes the secret and the service, and gives the service's specification. Both are gone when the scope is closed, also
 * if the engine's answer got lost; what can't be removed is in the inventory.
 */
export const openTemporaryService = Effect.fnUntraced(function* (
  options: TemporaryServiceOptions
): Effect.fn.Return<ServiceSpec, RequestTooLarge | SwarmFailure, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const name = nameOf(options.owner)
  const { runId } = options.owner
  const data = new TextEncoder().encode(options.request)
  if (data.length > secretLimit) return yield* new RequestTooLarge({ bytes: data.length, limit: secretLimit })

  const secret = swarm.createSecret({ name, labels: ownershipLabels(options.owner, "request"), data })
  const [secretId, network] = yield* Effect.all(
    [owned(secret, swarm.removeSecret(name), { kind: "secret", name, runId }), options.network],
    { concurrency: 2 }
  )
  const spec = serviceSpec(name, secretId, network, options)
  yield* owned(swarm.createService(spec), swarm.removeService(name), { kind: "service", name, runId })
  return spec
})

/** The name of a run's secret, service and network. */
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
      // Every option that the engine's own defaults could set, as it merges those in: none of them may lose a line.
      LogDriver: {
        Name: "json-file",
        Options: { "max-size": "8g", "max-file": "1", compress: "false", mode: "blocking" }
      }
    }
  }
}
