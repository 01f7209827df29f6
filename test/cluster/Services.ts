/** Services for tests to run against, set up through the Engine API alone. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type EngineApiError, get, post, remove, request } from "./EngineApi.ts"
import { poll } from "./Poll.ts"

/** The service has not as many running tasks as it should. */
export class ServiceNotRunning extends Schema.TaggedError<ServiceNotRunning>()("ServiceNotRunning", {
  service: Schema.String,
  expected: Schema.Int,
  tasks: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `service ${this.service} should have ${this.expected} running tasks: ${this.tasks.join("; ") || "it has none"}`
  }
}

/** What a test says of a service; all else is fit for tests (no virtual IP, killed at once when it is to stop). */
export interface ServiceOptions {
  readonly name: string
  readonly image: string
  /** What its containers run: `sleep 1000000` unless told. */
  readonly command?: ReadonlyArray<string>
  readonly env?: ReadonlyArray<string>
  readonly labels?: Readonly<Record<string, string>>
  /** Number of tasks (1 unless told), or one on every node. */
  readonly replicas?: number | "global"
  /** A job: as many tasks run to their end, all at once. */
  readonly job?: boolean
  /** Host name of the only node it may run on. */
  readonly node?: string
  readonly constraints?: ReadonlyArray<string>
  /** Names or IDs of networks. */
  readonly networks?: ReadonlyArray<string>
  readonly user?: string
  readonly tty?: boolean
  readonly restart?: "none" | "on-failure" | "any"
  /** Milliseconds until a task that ended is replaced: Swarm's five seconds unless told. */
  readonly restartDelay?: number
  /** What ends its containers: SIGKILL unless told, because most commands ignore SIGTERM as process 1. */
  readonly stopSignal?: string
  /** Seconds between the stop signal and KILL: 1 unless told. */
  readonly stopGrace?: number
  /** The containers' log driver: the engine's own unless told. */
  readonly logDriver?: string
  /** Fields of the container's part of the specification, in the API's own words, which win. */
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

/** Creates a service at a manager; gives its ID. */
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

/** How a service's tasks are replaced. */
export interface UpdateOptions {
  /** Tasks at the same time: 1 unless told. */
  readonly parallelism?: number
  readonly order?: "start-first" | "stop-first"
  /** What is different in the new ones. */
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

/** Whether the last update of a service is over. */
export const isUpdated = (manager: string, service: string): Effect.Effect<boolean, EngineApiError> =>
  Effect.map(get(manager, `/services/${service}`, Inspected), ({ UpdateStatus }) => UpdateStatus?.State === "completed")

/** Removes a service, by name or ID. Its containers end a little later. */
export const removeService = (manager: string, service: string): Effect.Effect<void, EngineApiError> =>
  remove(manager, `/services/${service}`)

/** A service that lives as long as the scope; gives its ID. */
export const service = (manager: string, options: ServiceOptions) =>
  Effect.acquireRelease(createService(manager, options), (id) => Effect.orDie(removeService(manager, id)))

/** A task that runs. */
export interface RunningTask {
  readonly id: string
  readonly nodeId: string
  /** Undefined for a global service's tasks. */
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
    // Swarm wants a job's task to complete.
    return (task.DesiredState === "running" || task.DesiredState === "complete") &&
      task.Status.State === "running" &&
      task.NodeID &&
      containerId
      ? [{ id: task.ID, nodeId: task.NodeID, slot: task.Slot, containerId }]
      : []
  })

/**
 * Waits until a service has that many running tasks; gives them, in the order of their slots.
 *
 * **Gotchas**
 *
 * This is what the manager knows: for some seconds after an engine was killed, its tasks still count as running.
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

/** What a command in a container did. */
export interface ExecResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Takes the engine's frames apart: 1 byte stream number, 3 bytes nothing, 4 bytes length. */
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

/** Runs a command in a container of the engine at `socket` itself, for tests to look around with. */
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
