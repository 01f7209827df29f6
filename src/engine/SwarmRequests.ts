/** The requests to any manager of a swarm: tasks, services, nodes, secrets, configs, networks. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EngineUnreachable, SwarmFailure } from "./EngineErrors.ts"
import { fromReadable } from "./fromReadable.ts"
import { list, registryHeaders, type SwarmRequestContext, segment } from "./internal/RequestContext.ts"
import type * as Bodies from "./RequestBodies.ts"
import * as Api from "./SwarmSchemas.ts"

/** The engine's filters. A key matches any of its values: `{ service: ["web"], "desired-state": ["running"] }`. */
export type Filters = Readonly<Record<string, ReadonlyArray<string>>>

/** The part of a log to read. */
export interface ServiceLogsOptions {
  /** Continue with new lines. The stream then never ends by itself, not even when the service is removed. */
  readonly follow: boolean
  /** Only lines since this Unix time in seconds, which may have a fraction. */
  readonly since?: number
  /** Only this many of the last lines. */
  readonly tail?: number
  /** Put the managers' details (node and task) before each record: see `LogRecords`. */
  readonly details?: boolean
}

/** The methods of `Swarm` about its objects. */
export interface SwarmRequests {
  readonly listTasks: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Task>, SwarmFailure>
  /** Lists tasks with their whole spec. */
  readonly listTaskDetails: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.TaskDetails>, SwarmFailure>
  readonly inspectTask: (id: string) => Effect.Effect<Api.TaskDetails, SwarmFailure>
  readonly listServices: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Service>, SwarmFailure>
  readonly inspectService: (id: string) => Effect.Effect<Api.Service, SwarmFailure>
  /** Creates a service. The nodes get the credentials for the image's registry. */
  readonly createService: (
    spec: Bodies.AnyServiceSpec
  ) => Effect.Effect<{ readonly id: string; readonly warnings: ReadonlyArray<string> }, SwarmFailure>
  /**
   * Replaces the service's spec. Omitted parts get the engine's default, not their old value. `version` is the current `Version.Index` of
   * the service; with an old one, this fails with `EngineError`.
   */
  readonly updateService: (
    id: string,
    version: number,
    spec: Bodies.AnyServiceSpec
  ) => Effect.Effect<void, SwarmFailure>
  readonly removeService: (id: string) => Effect.Effect<void, SwarmFailure>
  /** Reads stdout and stderr, multiplexed (unless the service has a TTY). Run the stream once, in the scope in which it was opened. */
  readonly serviceLogs: (
    id: string,
    options: ServiceLogsOptions
  ) => Effect.Effect<Stream.Stream<Uint8Array, EngineUnreachable>, SwarmFailure, Scope.Scope>
  /** Reads the last lines of a task's log, multiplexed, with the managers' details before each record: see `LogRecords`. */
  readonly taskLogs: (
    id: string,
    options: { readonly follow: boolean; readonly tail: number }
  ) => Effect.Effect<Stream.Stream<Uint8Array, EngineUnreachable>, SwarmFailure, Scope.Scope>
  readonly listNodes: (filters?: Filters) => Effect.Effect<ReadonlyArray<Api.Node>, SwarmFailure>
  readonly inspectNode: (id: string) => Effect.Effect<Api.Node, SwarmFailure>
  /** Creates a secret. Returns its ID. */
  readonly createSecret: (secret: {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    /** At most 500 KB. */
    readonly data: Uint8Array
    /** Whether the data is a Go template, which each node expands for its tasks (API 1.37). Default `false`. */
    readonly isTemplate?: boolean
  }) => Effect.Effect<string, SwarmFailure>
  readonly inspectSecret: (id: string) => Effect.Effect<Api.Secret, SwarmFailure>
  /** Replaces the labels of a secret, its only part that can change. `version` is its current `Version.Index`. */
  readonly updateSecret: (
    id: string,
    version: number,
    secret: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  ) => Effect.Effect<void, SwarmFailure>
  readonly removeSecret: (id: string) => Effect.Effect<void, SwarmFailure>
  readonly listSecrets: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Secret>, SwarmFailure>
  /** Creates a config. Returns its ID. */
  readonly createConfig: (config: {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    /** At most 1000 KB. */
    readonly data: Uint8Array
  }) => Effect.Effect<string, SwarmFailure>
  readonly listConfigs: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Config>, SwarmFailure>
  readonly removeConfig: (id: string) => Effect.Effect<void, SwarmFailure>
  /** Creates a network. Returns its ID. */
  readonly createNetwork: (network: Bodies.NetworkCreate) => Effect.Effect<string, SwarmFailure>
  /** Removes a network by its ID or name. Fails with `EngineError`, status 403, while a container or task is connected to it. */
  readonly removeNetwork: (id: string) => Effect.Effect<void, SwarmFailure>
}

/** Returns the requests about the swarm by this client. */
export const swarmRequests = ({ client, credentials, ofSwarm, swarm }: SwarmRequestContext): SwarmRequests => {
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

    createSecret: ({ name, labels, data, isTemplate = false }) =>
      secretCreated({
        ...swarm,
        operation: `create secret ${name}`,
        method: "POST",
        path: "/secrets/create",
        body: {
          Name: name,
          Labels: labels,
          Data: Buffer.from(data).toString("base64"),
          ...(isTemplate ? { Templating: { Name: "golang" } } : {})
        }
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
