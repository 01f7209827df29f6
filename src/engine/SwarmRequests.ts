/** The requests that any manager of a swarm answers: tasks, services, nodes, secrets, configs, networks. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EngineUnreachable, SwarmFailure } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { fromReadable } from "./fromReadable.ts"
import { list, registryHeaders, type SwarmAsking, segment } from "./internal/Asking.ts"

/** The engine's filters: by key, any of the values. Sent as they are: `{ service: ["web"], "desired-state": ["running"] }`. */
export type Filters = Readonly<Record<string, ReadonlyArray<string>>>

/** Which part of a service's log to read. */
export interface ServiceLogsOptions {
  /** Go on as new lines come in. Such a stream never ends by itself, not even with the service's last task. */
  readonly follow: boolean
  /** Only lines since then: seconds since 1970, fractions allowed. */
  readonly since?: number
  /** Only that many of the last lines. */
  readonly tail?: number
  /** Each record has the managers' details before it, see `LogRecords`. */
  readonly details?: boolean
}

/** The methods of `Swarm` about its objects. */
export interface SwarmRequests {
  readonly listTasks: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Task>, SwarmFailure>
  /** Like `listTasks`, with everything that the tasks are to be. */
  readonly listTaskDetails: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.TaskDetails>, SwarmFailure>
  readonly inspectTask: (id: string) => Effect.Effect<Api.TaskDetails, SwarmFailure>
  readonly listServices: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Service>, SwarmFailure>
  readonly inspectService: (id: string) => Effect.Effect<Api.Service, SwarmFailure>
  /** The nodes get the credentials for the image's registry with it. */
  readonly createService: (
    spec: Api.ServiceSpec
  ) => Effect.Effect<{ readonly id: string; readonly warnings: ReadonlyArray<string> }, SwarmFailure>
  /**
   * Gives the service this specification; what it leaves out becomes the engine's default, not what it was. `version` is
   * the service's `Version.Index` that the change is based on: an `EngineError` if it is not the current one.
   */
  readonly updateService: (id: string, version: number, spec: Api.ServiceSpec) => Effect.Effect<void, SwarmFailure>
  readonly removeService: (id: string) => Effect.Effect<void, SwarmFailure>
  /** stdout and stderr, multiplexed (unless the service has a TTY). To be run once, in the Scope in which it was opened. */
  readonly serviceLogs: (
    id: string,
    options: ServiceLogsOptions
  ) => Effect.Effect<Stream.Stream<Uint8Array, EngineUnreachable>, SwarmFailure, Scope.Scope>
  /** The last lines of a task's log, multiplexed, each with the managers' details before it: the node and the task that it is from. */
  readonly taskLogs: (
    id: string,
    options: { readonly follow: boolean; readonly tail: number }
  ) => Effect.Effect<Stream.Stream<Uint8Array, EngineUnreachable>, SwarmFailure, Scope.Scope>
  readonly listNodes: (filters?: Filters) => Effect.Effect<ReadonlyArray<Api.Node>, SwarmFailure>
  readonly inspectNode: (id: string) => Effect.Effect<Api.Node, SwarmFailure>
  /** Gives the new secret's ID. */
  readonly createSecret: (secret: {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    /** Up to 500 KB. */
    readonly data: Uint8Array
  }) => Effect.Effect<string, SwarmFailure>
  readonly inspectSecret: (id: string) => Effect.Effect<Api.Secret, SwarmFailure>
  /** Gives the secret these labels: nothing else of one can change. `version` is the `Version.Index` it is based on. */
  readonly updateSecret: (
    id: string,
    version: number,
    secret: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  ) => Effect.Effect<void, SwarmFailure>
  readonly removeSecret: (id: string) => Effect.Effect<void, SwarmFailure>
  readonly listSecrets: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Secret>, SwarmFailure>
  /** Gives the new config's ID. */
  readonly createConfig: (config: {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    /** Up to 1000 KB. */
    readonly data: Uint8Array
  }) => Effect.Effect<string, SwarmFailure>
  readonly listConfigs: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Config>, SwarmFailure>
  readonly removeConfig: (id: string) => Effect.Effect<void, SwarmFailure>
  /** Gives the new network's ID. */
  readonly createNetwork: (network: Api.NetworkCreate) => Effect.Effect<string, SwarmFailure>
  /** By ID or name. An `EngineError` with status 403 while a container or task is connected to it. */
  readonly removeNetwork: (id: string) => Effect.Effect<void, SwarmFailure>
}

/** The requests about the swarm. */
export const swarmRequests = ({ client, credentials, ofSwarm, swarm }: SwarmAsking): SwarmRequests => {
  const tasks = list(client, Api.Task)
  const taskDetails = list(client, Api.TaskDetails)
  const task = client.json(Api.TaskDetails)
  const services = list(client, Api.Service)
  const service = client.json(Api.Service)
  const serviceCreated = client.json(Api.ServiceCreated)
  const nodes = list(client, Api.Node)
  const node = client.json(Api.Node)
  const secrets = list(client, Api.Secret)
  const secret = client.json(Api.Secret)
  const secretCreated = client.json(Api.SecretCreated)
  const configs = list(client, Api.Config)
  const configCreated = client.json(Api.ConfigCreated)
  const networkCreated = client.json(Api.NetworkCreated)

  return {
    listTasks: (filters) =>
      tasks({ ...swarm, operation: "list tasks", method: "GET", path: "/tasks", query: { filters } }).pipe(ofSwarm),
    listTaskDetails: (filters) =>
      taskDetails({ ...swarm, operation: "list tasks", method: "GET", path: "/tasks", query: { filters } }).pipe(
        ofSwarm
      ),
    inspectTask: (id) =>
      task({ ...swarm, operation: `inspect task ${id}`, method: "GET", path: `/tasks/${segment(id)}` }).pipe(ofSwarm),

    listServices: (filters) =>
      services({ ...swarm, operation: "list services", method: "GET", path: "/services", query: { filters } }).pipe(
        ofSwarm
      ),
    inspectService: (id) =>
      service({ ...swarm, operation: `inspect service ${id}`, method: "GET", path: `/services/${segment(id)}` }).pipe(
        ofSwarm
      ),
    createService: (spec) =>
      Effect.flatMap(credentials(spec.TaskTemplate.ContainerSpec.Image), (auth) =>
        serviceCreated({
          ...swarm,
          operation: `create service ${spec.Name}`,
          method: "POST",
          path: "/services/create",
          body: spec,
          ...registryHeaders(auth)
        })
      ).pipe(
        Effect.map(({ ID, Warnings, Warning }) => ({
          id: ID,
          warnings: Warning === "" ? Warnings : [...Warnings, Warning]
        })),
        ofSwarm
      ),
    updateService: (id, version, spec) =>
      client
        .request({
          ...swarm,
          operation: `update service ${id}`,
          method: "POST",
          path: `/services/${segment(id)}/update`,
          query: { version },
          body: spec
        })
        .pipe(Effect.asVoid, ofSwarm),
    removeService: (id) =>
      client
        .request({ ...swarm, operation: `remove service ${id}`, method: "DELETE", path: `/services/${segment(id)}` })
        .pipe(Effect.asVoid, ofSwarm),
    serviceLogs: (id, { details, follow, since, tail }) => {
      const operation = `read the log of service ${id}`
      return client
        .stream({
          ...swarm,
          operation,
          method: "GET",
          path: `/services/${segment(id)}/logs`,
          query: { stdout: true, stderr: true, follow, since, tail, details }
        })
        .pipe(
          Effect.flatMap((response) => fromReadable(response, client.broken(operation))),
          ofSwarm
        )
    },

    taskLogs: (id, { follow, tail }) => {
      const operation = `read the log of task ${id}`
      const query = { stdout: true, stderr: true, details: true, follow, tail }
      return client.stream({ ...swarm, operation, method: "GET", path: `/tasks/${segment(id)}/logs`, query }).pipe(
        Effect.flatMap((response) => fromReadable(response, client.broken(operation))),
        ofSwarm
      )
    },

    listNodes: (filters = {}) =>
      nodes({ ...swarm, operation: "list nodes", method: "GET", path: "/nodes", query: { filters } }).pipe(ofSwarm),
    inspectNode: (id) =>
      node({ ...swarm, operation: `inspect node ${id}`, method: "GET", path: `/nodes/${segment(id)}` }).pipe(ofSwarm),

    createSecret: ({ name, labels, data }) =>
      secretCreated({
        ...swarm,
        operation: `create secret ${name}`,
        method: "POST",
        path: "/secrets/create",
        body: { Name: name, Labels: labels, Data: Buffer.from(data).toString("base64") }
      }).pipe(
        Effect.map(({ ID }) => ID),
        ofSwarm
      ),
    inspectSecret: (id) =>
      secret({ ...swarm, operation: `inspect secret ${id}`, method: "GET", path: `/secrets/${segment(id)}` }).pipe(
        ofSwarm
      ),
    updateSecret: (id, version, { name, labels }) =>
      client
        .request({
          ...swarm,
          operation: `update secret ${name}`,
          method: "POST",
          path: `/secrets/${segment(id)}/update`,
          query: { version },
          body: { Name: name, Labels: labels }
        })
        .pipe(Effect.asVoid, ofSwarm),
    removeSecret: (id) =>
      client
        .request({ ...swarm, operation: `remove secret ${id}`, method: "DELETE", path: `/secrets/${segment(id)}` })
        .pipe(Effect.asVoid, ofSwarm),
    listSecrets: (filters) =>
      secrets({ ...swarm, operation: "list secrets", method: "GET", path: "/secrets", query: { filters } }).pipe(
        ofSwarm
      ),

    createConfig: ({ name, labels, data }) =>
      configCreated({
        ...swarm,
        operation: `create config ${name}`,
        method: "POST",
        path: "/configs/create",
        body: { Name: name, Labels: labels, Data: Buffer.from(data).toString("base64") }
      }).pipe(
        Effect.map(({ ID }) => ID),
        ofSwarm
      ),
    listConfigs: (filters) =>
      configs({ ...swarm, operation: "list configs", method: "GET", path: "/configs", query: { filters } }).pipe(
        ofSwarm
      ),
    removeConfig: (id) =>
      client
        .request({ ...swarm, operation: `remove config ${id}`, method: "DELETE", path: `/configs/${segment(id)}` })
        .pipe(Effect.asVoid, ofSwarm),

    createNetwork: (network) =>
      networkCreated({
        ...swarm,
        operation: `create network ${network.Name}`,
        method: "POST",
        path: "/networks/create",
        body: network
      }).pipe(
        Effect.map(({ Id }) => Id),
        ofSwarm
      ),
    removeNetwork: (id) =>
      client
        .request({ ...swarm, operation: `remove network ${id}`, method: "DELETE", path: `/networks/${segment(id)}` })
        .pipe(Effect.asVoid, ofSwarm)
  }
}
