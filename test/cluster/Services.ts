/** Services for tests, created through the plain Engine API. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type EngineApiError, get, post, remove, request } from "./EngineApi.ts"
import { poll } from "./Poll.ts"

/** A service has fewer running tasks than expected. */
export class ServiceNotRunning extends Schema.TaggedError<ServiceNotRunning>()("ServiceNotRunning", {
  service: Schema.String,
  expected: Schema.Int,
  tasks: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `service ${this.service} should have ${this.expected} running tasks: ${this.tasks.join("; ") || "it has none"}`
  }
}

/** The settings of a service. The others are defaults for tests: no virtual IP, and containers are killed at once. */
export interface ServiceOptions {
  readonly name: string
  readonly image: string
  /** The command of its containers. Default: `sleep 1000000`. */
  readonly command?: ReadonlyArray<string>
  readonly env?: ReadonlyArray<string>
  readonly labels?: Readonly<Record<string, string>>
  /** Number of tasks (default 1), or one per node. */
  readonly replicas?: number | "global"
  /** Whether the service is a job: its tasks run to completion, all at once. */
  readonly job?: boolean
  /** Host name of the node for all tasks. */
  readonly node?: string
  readonly constraints?: ReadonlyArray<string>
  /** Names or IDs of networks. */
  readonly networks?: ReadonlyArray<string>
  readonly user?: string
  readonly tty?: boolean
  readonly restart?: "none" | "on-failure" | "any"
  /** Milliseconds until Swarm replaces an ended task. Default: Swarm's five seconds. */
  readonly restartDelay?: number
  /** The stop signal of its containers. Default: SIGKILL, because most commands ignore SIGTERM as process 1. */
  readonly stopSignal?: string
  /** Seconds between the stop signal and KILL. Default: 1. */
  readonly stopGrace?: number
  /** The log driver of its containers. Default: the engine's own. */
  readonly logDriver?: string
  /** Fields of the container spec, with the API's names. They override the others. */
  readonly containerSpec?: Readonly<Record<string, unknown>>
}

const Created = Schema.Struct({ ID: Schema.String })

const modeOf = ({ job = false, replicas = 1 }: ServiceOptions) => {
  if (replicas === "global") return job ? { GlobalJob: {} } : { Global: {} }
  return job
    ? { ReplicatedJob: { MaxConcurrent: replicas, TotalCompletions: replicas } }
    : { Replicated: { Replicas: replicas } }
}

const specification = (options: ServiceOptions) => ({
  Name: options.name,
  Labels: options.labels ?? {},
  TaskTemplate: {
    ContainerSpec: {
      Image: options.image,
      Command: options.command ?? ["sleep", "1000000"],
      Env: options.env ?? [],
      StopSignal: options.stopSignal ?? "SIGKILL",
      StopGracePeriod: (options.stopGrace ?? 1) * 1_000_000_000,
      ...(options.user === undefined ? {} : { User: options.user }),
      ...(options.tty === undefined ? {} : { TTY: options.tty }),
      ...options.containerSpec
    },
    RestartPolicy: {
      Condition: options.restart ?? (options.job === true ? "none" : "any"),
      ...(options.restartDelay === undefined ? {} : { Delay: options.restartDelay * 1_000_000 })
    },
    Placement: {
      Constraints: [
        ...(options.constraints ?? []),
        ...(options.node === undefined ? [] : [`node.hostname==${options.node}`])
      ]
    },
    ...(options.logDriver === undefined ? {} : { LogDriver: { Name: options.logDriver } }),
    Networks: (options.networks ?? []).map((Target) => ({ Target }))
  },
  Mode: modeOf(options),
  EndpointSpec: { Mode: "dnsrr" }
})

/** Creates a service through a manager. Returns its ID. */
export const createService = (manager: string, options: ServiceOptions): Effect.Effect<string, EngineApiError> =>
  Effect.map(post(manager, "/services/create", Created, { body: specification(options) }), ({ ID }) => ID)

const Anything = Schema.Record(Schema.String, Schema.Unknown)
const Inspected = Schema.Struct({
  Version: Schema.Struct({ Index: Schema.Int }),
  Spec: Schema.StructWithRest(
    Schema.Struct({
      TaskTemplate: Schema.StructWithRest(Schema.Struct({ ContainerSpec: Anything }), [Anything])
    }),
    [Anything]
  ),
  UpdateStatus: Schema.optionalKey(Schema.Struct({ State: Schema.String }))
})

/** How the tasks of a service are replaced. */
export interface UpdateOptions {
  /** Tasks to replace at the same time. Default: 1. */
  readonly parallelism?: number
  readonly order?: "start-first" | "stop-first"
  /** The changed fields of the container spec. */
  readonly containerSpec?: Readonly<Record<string, unknown>>
}

/** Replaces all tasks of a service, as `docker service update --force --detach` does. */
export const updateService = Effect.fn("Services.updateService")(function* (
  manager: string,
  service: string,
  { containerSpec = {}, order = "stop-first", parallelism = 1 }: UpdateOptions = {}
) {
  const { Spec, Version } = yield* get(manager, `/services/${service}`, Inspected)
  const { ContainerSpec, ...template } = Spec.TaskTemplate
  yield* request(manager, "POST", `/services/${service}/update`, {
    query: { version: String(Version.Index) },
    body: {
      ...Spec,
      TaskTemplate: { ...template, ContainerSpec: { ...ContainerSpec, ...containerSpec }, ForceUpdate: 1 },
      UpdateConfig: { Parallelism: parallelism, Order: order }
    }
  })
})

/** Whether the last update of a service has completed. */
export const isUpdated = (manager: string, service: string): Effect.Effect<boolean, EngineApiError> =>
  Effect.map(get(manager, `/services/${service}`, Inspected), ({ UpdateStatus }) => UpdateStatus?.State === "completed")

/** Removes a service by name or ID. Its containers end a little later. */
export const removeService = (manager: string, service: string): Effect.Effect<void, EngineApiError> =>
  remove(manager, `/services/${service}`)

/** Creates a service until the scope closes. Returns its ID. */
export const service = (manager: string, options: ServiceOptions) =>
  Effect.acquireRelease(createService(manager, options), (id) => Effect.orDie(removeService(manager, id)))

/** A running task. */
export interface RunningTask {
  readonly id: string
  readonly nodeId: string
  /** `undefined` for a task of a global service. */
  readonly slot: number | undefined
  readonly containerId: string
}

const Tasks = Schema.Array(
  Schema.Struct({
    ID: Schema.String,
    NodeID: Schema.optionalKey(Schema.String),
    Slot: Schema.optionalKey(Schema.Int),
    DesiredState: Schema.String,
    Status: Schema.Struct({
      State: Schema.String,
      Err: Schema.optionalKey(Schema.String),
      ContainerStatus: Schema.optionalKey(Schema.Struct({ ContainerID: Schema.optionalKey(Schema.String) }))
    })
  })
)

const tasksOf = (manager: string, name: string) =>
  get(manager, "/tasks", Tasks, { query: { filters: JSON.stringify({ service: { [name]: true } }) } })

const runningOf = (tasks: typeof Tasks.Type): ReadonlyArray<RunningTask> =>
  tasks.flatMap((task) => {
    const containerId = task.Status.ContainerStatus?.ContainerID
    // The desired state of a job's task is "complete".
    return (task.DesiredState === "running" || task.DesiredState === "complete") &&
      task.Status.State === "running" &&
      task.NodeID &&
      containerId
      ? [{ id: task.ID, nodeId: task.NodeID, slot: task.Slot, containerId }]
      : []
  })

/**
 * Waits until a service has this number of running tasks. Returns them in the order of their slots.
 *
 * **Gotchas**: this is the manager's view. For some seconds after an engine was killed, its tasks still count as running.
 */
export const waitRunning = Effect.fn("Services.waitRunning")(function* (
  manager: string,
  name: string,
  expected: number,
  atMost = 120_000
) {
  const tasks = tasksOf(manager, name)
  const failure = Effect.flatMap(tasks, (all) =>
    Effect.fail(
      new ServiceNotRunning({
        service: name,
        expected,
        tasks: all.map(({ ID, Status }) => `${ID} ${Status.State} ${Status.Err ?? ""}`.trim())
      })
    )
  )
  const enough = Effect.map(tasks, (all) => {
    const running = runningOf(all)
    return running.length === expected ? Option.some(running) : Option.none()
  })
  const running = yield* poll(enough, { every: 50, atMost, orElse: failure })
  return running.toSorted((a, b) => (a.slot ?? 0) - (b.slot ?? 0))
})

/** The result of a command in a container. */
export interface ExecResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Splits the engine's frames: 1 byte for the stream, 3 empty bytes, 4 bytes for the length. */
const demultiplex = (body: Buffer): { readonly stdout: string; readonly stderr: string } => {
  const parts: Record<number, Array<Buffer>> = { 1: [], 2: [] }
  for (let at = 0; at + 8 <= body.length; ) {
    const end = at + 8 + body.readUInt32BE(at + 4)
    parts[body.readUInt8(at)]?.push(body.subarray(at + 8, end))
    at = end
  }
  return { stdout: Buffer.concat(parts[1] ?? []).toString(), stderr: Buffer.concat(parts[2] ?? []).toString() }
}

const Id = Schema.Struct({ Id: Schema.String })
const ExecState = Schema.Struct({ ExitCode: Schema.NullOr(Schema.Int) })

/** Runs a command in a container through its own engine, so that tests can inspect it. */
export const execIn = Effect.fn("Services.execIn")(function* (
  socket: string,
  containerId: string,
  argv: ReadonlyArray<string>
) {
  const { Id: exec } = yield* post(socket, `/containers/${containerId}/exec`, Id, {
    body: { Cmd: argv, AttachStdout: true, AttachStderr: true }
  })
  const body = yield* request(socket, "POST", `/exec/${exec}/start`, { body: { Detach: false, Tty: false } })
  const { ExitCode } = yield* get(socket, `/exec/${exec}/json`, ExecState)
  const result: ExecResult = { exitCode: ExitCode, ...demultiplex(body) }
  return result
})
