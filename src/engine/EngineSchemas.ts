/**
 * The objects of the Docker Engine API, with the parts that task-exec reads.
 *
 * Names are those of the API (https://docs.docker.com/reference/api/engine/), from engine 20.10 (API 1.41) to the newest. Other keys are
 * dropped. Versions of the engine differ in whether they write a zero, false or empty value as such, as `null`, or omit it (Go's
 * `omitempty`): `null` is removed before decoding, and an absent value decodes as zero, false or empty. Only names of objects and the
 * proof that a command ended are required. Times are RFC 3339 texts with nanoseconds; IDs have their full length.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Text = Schema.String.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("")))
const Count = Schema.Int.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(0)))
const Flag = Schema.Boolean.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(false)))
const Texts = Schema.Array(Schema.String).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([])))
const Labels = Schema.Record(Schema.String, Schema.String).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed({})))
const Unknown = Schema.Unknown.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed({})))

/** The default of a part that an engine omits: its fields are empty. */
const leftOut = Effect.succeed({})

/** Swarm's optimistic lock: an update must name the version that it changes. */
const Version = Schema.Struct({ Index: Count })
const ObjectVersion = Version.pipe(Schema.withDecodingDefaultKey(leftOut))

/** `GET /version`. */
export const EngineVersion = Schema.Struct({
  /** The engine's version, such as "28.5.2". */
  Version: Schema.String,
  /** The newest API version of the engine, such as "1.51". */
  ApiVersion: Schema.String,
  MinAPIVersion: Schema.optionalKey(Schema.String),
  Os: Text,
  Arch: Text
})
export type EngineVersion = typeof EngineVersion.Type

/** `GET /info`. */
export const Info = Schema.Struct({
  /** ID of the engine. The swarm knows the node by `Swarm.NodeID`. */
  ID: Text,
  /** The machine's host name. */
  Name: Schema.String,
  ServerVersion: Schema.String,
  OSType: Text,
  /** The machine's clock. */
  SystemTime: Text,
  /** The kernel's name of the architecture, such as "x86_64". */
  Architecture: Text,
  /** Such as "name=rootless", "name=userns", "name=selinux". */
  SecurityOptions: Texts,
  Swarm: Schema.Struct({
    /** Empty outside of a swarm. */
    NodeID: Text,
    NodeAddr: Text,
    /** "inactive", "pending", "active", "error", "locked". */
    LocalNodeState: Text,
    /** Whether the node is a manager. */
    ControlAvailable: Flag,
    Error: Text,
    RemoteManagers: Schema.Array(Schema.Struct({ NodeID: Text, Addr: Text })).pipe(
      Schema.withDecodingDefaultTypeKey(Effect.succeed([]))
    )
  }).pipe(Schema.withDecodingDefaultKey(leftOut))
})
export type Info = typeof Info.Type

/** Whether a task in this state has ended for good. Unknown states have not. */
export const isFinalTaskState = (state: string): boolean =>
  state === "complete" ||
  state === "shutdown" ||
  state === "failed" ||
  state === "rejected" ||
  state === "remove" ||
  state === "orphaned"

/** The filter for the tasks that Swarm wants to run, or to complete if they belong to a job. Those of a job may have ended. */
export const wantedTasks = { "desired-state": ["running", "complete"] } as const

/** Whether Swarm wants a task: it is not about to stop it. */
export const isWanted = ({ DesiredState }: { readonly DesiredState: string }): boolean =>
  wantedTasks["desired-state"].some((state) => state === DesiredState)

/** The name and tag of an image that a service names with its digest, too. */
export const withoutDigest = (image: string): string => image.replace(/@sha256:[0-9a-f]+$/, "")

/** `GET /tasks`. */
export const Task = Schema.Struct({
  ID: Schema.String,
  Version: ObjectVersion,
  CreatedAt: Text,
  UpdatedAt: Text,
  Labels,
  Spec: Schema.Struct({
    /** Absent for tasks without a container (plugins, network attachments). */
    ContainerSpec: Schema.optionalKey(
      Schema.Struct({
        /** As in the service, usually with the digest that the client pinned. */
        Image: Text,
        Labels,
        User: Text,
        TTY: Flag,
        /** The health check of the service. That of the image is not reported. */
        Healthcheck: Schema.optionalKey(Schema.Struct({ Test: Texts }))
      })
    )
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  /** Empty for the task of a network attachment. */
  ServiceID: Text,
  /** Counts from 1; absent for the tasks of a global service, and for the first of a replicated job: there it counts from 0. */
  Slot: Schema.optionalKey(Schema.Int),
  /** Absent until the scheduler has found a node. */
  NodeID: Schema.optionalKey(Schema.String),
  Status: Schema.Struct({
    Timestamp: Text,
    State: Text,
    /** Such as "started" or "preparing". */
    Message: Text,
    /** The reason why the task fails. */
    Err: Schema.optionalKey(Schema.String),
    ContainerStatus: Schema.optionalKey(
      Schema.Struct({
        /** Empty until the container exists. */
        ContainerID: Text,
        /** In the node's PID namespace; 0 if it does not run. */
        PID: Count,
        /** Valid only after the task has ended. */
        ExitCode: Count
      })
    )
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  DesiredState: Text,
  NetworksAttachments: Schema.Array(
    Schema.Struct({
      Network: Schema.optionalKey(Schema.Struct({ ID: Text })),
      /** With prefix length, "10.0.1.7/24". */
      Addresses: Texts
    })
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([]))),
  /** Present for the tasks of job services (API 1.41). Engines leave out `Index` in the first iteration. */
  JobIteration: Schema.optionalKey(Version)
})
export type Task = typeof Task.Type

/** `GET /tasks/{id}`, with the spec of the task: the service's `TaskTemplate` at the task's creation. */
export const TaskDetails = Schema.Struct({ ...Task.fields, Spec: Unknown })
export type TaskDetails = typeof TaskDetails.Type

/** A service's `TaskTemplate`. */
export const TaskTemplate = Schema.Struct({
  /** Absent for tasks without a container. */
  ContainerSpec: Schema.optionalKey(Schema.Struct({ Image: Text })),
  /** "none", "on-failure" or "any"; empty means "any". */
  RestartPolicy: Schema.Struct({ Condition: Text }).pipe(Schema.withDecodingDefaultKey(leftOut))
})
export type TaskTemplate = typeof TaskTemplate.Type

const Empty = Schema.Struct({})

/** `GET /services`, `GET /services/{id}`. */
export const Service = Schema.Struct({
  ID: Schema.String,
  Version: ObjectVersion,
  CreatedAt: Text,
  UpdatedAt: Text,
  Spec: Schema.Struct({
    Name: Text,
    Labels,
    /** Has exactly one key. */
    Mode: Schema.Struct({
      Replicated: Schema.optionalKey(Schema.Struct({ Replicas: Count })),
      Global: Schema.optionalKey(Empty),
      ReplicatedJob: Schema.optionalKey(Schema.Struct({ MaxConcurrent: Count, TotalCompletions: Count })),
      GlobalJob: Schema.optionalKey(Empty)
    }).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed({}))),
    /** The spec of new tasks. */
    TaskTemplate: Unknown,
    /** Networks of services from clients before API 1.25, which have none in `TaskTemplate`. */
    Networks: Schema.optionalKey(Schema.Unknown)
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  /** The state of the last update. Absent before the first one, and from a change of the spec until its update begins. */
  UpdateStatus: Schema.optionalKey(Schema.Struct({ State: Text, Message: Text })),
  /** Present for job services (API 1.41). */
  JobStatus: Schema.optionalKey(Schema.Struct({ JobIteration: ObjectVersion }))
})
export type Service = typeof Service.Type

/** `GET /nodes`, `GET /nodes/{id}`. */
export const Node = Schema.Struct({
  ID: Schema.String,
  Version: ObjectVersion,
  Spec: Schema.Struct({
    Name: Schema.optionalKey(Schema.String),
    Labels,
    /** The desired role, "worker" or "manager". `ManagerStatus` has the actual one. */
    Role: Text,
    /** "active", "pause", "drain". */
    Availability: Text
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  Description: Schema.Struct({
    Hostname: Text,
    Platform: Schema.Struct({ Architecture: Text, OS: Text }).pipe(Schema.withDecodingDefaultKey(leftOut)),
    Engine: Schema.Struct({ EngineVersion: Text, Labels }).pipe(Schema.withDecodingDefaultKey(leftOut))
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  Status: Schema.Struct({
    /** "unknown", "down", "ready", "disconnected". */
    State: Text,
    Message: Schema.optionalKey(Schema.String),
    /** The node's IP address as the managers see it; "0.0.0.0" for some leaders. */
    Addr: Text
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  /** Only for managers. */
  ManagerStatus: Schema.optionalKey(
    Schema.Struct({
      Leader: Flag,
      /** "unknown", "unreachable", "reachable". */
      Reachability: Text,
      /** host:port of the control plane. */
      Addr: Text
    })
  )
})
export type Node = typeof Node.Type

/** `GET /networks`. */
export const Network = Schema.Struct({
  Id: Schema.String,
  Name: Text,
  Created: Text,
  /** "swarm" or "local". */
  Scope: Text,
  Driver: Text,
  Attachable: Flag,
  Internal: Flag,
  Ingress: Flag,
  /** Its address ranges, such as "10.0.1.0/24". */
  IPAM: Schema.Struct({
    Config: Schema.Array(Schema.Struct({ Subnet: Text })).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([])))
  }).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed({ Config: [] }))),
  Labels
})
export type Network = typeof Network.Type

/** `GET /secrets`. No engine returns the content of a secret. */
export const Secret = Schema.Struct({
  ID: Schema.String,
  Version: ObjectVersion,
  CreatedAt: Text,
  Spec: Schema.Struct({ Name: Text, Labels }).pipe(Schema.withDecodingDefaultKey(leftOut))
})
export type Secret = typeof Secret.Type

/** `GET /configs`. */
export const Config = Schema.Struct({
  ID: Schema.String,
  Spec: Schema.Struct({
    Name: Text,
    Labels,
    /** Base64. */
    Data: Text
  })
})
export type Config = typeof Config.Type

/** `GET /containers/{id}/json`. */
export const Container = Schema.Struct({
  Id: Schema.String,
  /** With a leading slash. */
  Name: Text,
  Created: Text,
  /** The image's ID, "sha256:…". */
  Image: Text,
  State: Schema.Struct({
    /** "created", "running", "paused", "restarting", "removing", "exited", "dead". */
    Status: Text,
    Running: Flag,
    Paused: Flag,
    Restarting: Flag,
    OOMKilled: Flag,
    Dead: Flag,
    /** The host's; 0 when not running. */
    Pid: Count,
    /** 0 also while it runs. */
    ExitCode: Count,
    Error: Text,
    StartedAt: Text,
    FinishedAt: Text
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  Config: Schema.Struct({
    /** As it was named at creation. */
    Image: Text,
    Hostname: Text,
    User: Text,
    WorkingDir: Text,
    Tty: Flag,
    Labels,
    /** "NAME=value". */
    Env: Texts
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  HostConfig: Schema.Struct({
    /** "host" when the container is exempt from user namespace remapping. */
    UsernsMode: Text,
    /** "" for its own, "host", "container:…". */
    PidMode: Text,
    NetworkMode: Text,
    Privileged: Flag,
    /** `Type`: the log driver. */
    LogConfig: Schema.Struct({ Type: Text }).pipe(Schema.withDecodingDefaultKey(leftOut))
  }).pipe(Schema.withDecodingDefaultKey(leftOut)),
  Mounts: Schema.Array(
    Schema.Struct({
      /** "bind", "volume", "tmpfs", … */
      Type: Text,
      /** The name of a volume; empty for other kinds. */
      Name: Text,
      /** The path on the host. */
      Source: Text,
      /** The path in the container. */
      Destination: Text,
      RW: Flag
    })
  ).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([])))
})
export type Container = typeof Container.Type

/** Swarm's label of a task's container: the ID of the task. */
export const swarmTaskLabel = "com.docker.swarm.task.id"
/** Swarm's label of a task's container: the ID of the node. */
export const swarmNodeLabel = "com.docker.swarm.node.id"

/** `GET /containers/json`. */
export const ContainerSummary = Schema.Struct({
  Id: Schema.String,
  /** With leading slashes. */
  Names: Texts,
  Image: Text,
  ImageID: Text,
  /** Seconds since 1970. */
  Created: Count,
  Labels,
  /** See `Container.State.Status`. */
  State: Text,
  /** For people, "Up 3 minutes". */
  Status: Text
})
export type ContainerSummary = typeof ContainerSummary.Type

/** `GET /images/{ref}/json`. */
export const Image = Schema.Struct({
  /** "sha256:…". */
  Id: Schema.String,
  RepoTags: Texts,
  /** "name@sha256:…": references that a service can use without a request to the registry. */
  RepoDigests: Texts,
  Os: Text,
  Architecture: Text,
  Config: Schema.Struct({ Env: Texts, Labels, User: Text, Entrypoint: Texts, Cmd: Texts }).pipe(
    Schema.withDecodingDefaultKey(leftOut)
  )
})
export type Image = typeof Image.Type

/** `GET /images/json`. */
export const ImageSummary = Schema.Struct({
  /** "sha256:…". */
  Id: Schema.String,
  RepoTags: Texts,
  RepoDigests: Texts,
  /** Seconds since 1970. */
  Created: Count,
  Labels
})
export type ImageSummary = typeof ImageSummary.Type

/** `GET /exec/{id}/json`. */
export const ExecInspect = Schema.Struct({
  ID: Schema.String,
  ContainerID: Text,
  Running: Flag,
  /** `null` until the command has ended. */
  ExitCode: Schema.NullOr(Schema.Int).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(null))),
  /** In the host's PID namespace; 0 if the command never started. */
  Pid: Count
})
export type ExecInspect = typeof ExecInspect.Type

/** One line of `GET /events`. */
export const Event = Schema.Struct({
  /** "start", "exec_die", …; some have details after a colon. */
  Action: Text,
  Actor: Schema.Struct({ ID: Text, Attributes: Labels }).pipe(Schema.withDecodingDefaultKey(leftOut))
})
export type Event = typeof Event.Type

/** `POST /services/create`. */
export const ServiceCreated = Schema.Struct({
  ID: Schema.String,
  /** A list since API 1.44; before, a text or absent. */
  Warnings: Texts,
  Warning: Text
})

/** `POST /containers/create`. */
export const ContainerCreated = Schema.Struct({ Id: Schema.String, Warnings: Texts })

/** `POST /secrets/create`. */
export const ConfigCreated = Schema.Struct({ ID: Schema.String })

export const SecretCreated = Schema.Struct({ ID: Schema.String })

/** `POST /networks/create`. */
export const NetworkCreated = Schema.Struct({ Id: Schema.String })

/** `POST /containers/{id}/exec`. */
export const ExecCreated = Schema.Struct({ Id: Schema.String })

/** `POST /containers/{id}/wait`. */
export const ContainerWaited = Schema.Struct({
  StatusCode: Schema.Int,
  /** The reason why the engine could not wait. */
  Error: Schema.optionalKey(Schema.Struct({ Message: Text }))
})

// ---------------------------------------------------------------------------------------------------------------------
// The bodies of requests. Types only: the engine validates them.
// ---------------------------------------------------------------------------------------------------------------------

/** A mount of a service or container. */
export interface MountSpec {
  readonly Type: "bind" | "volume" | "tmpfs"
  readonly Source?: string
  readonly Target: string
  readonly ReadOnly?: boolean
  readonly BindOptions?: { readonly Propagation?: string; readonly NonRecursive?: boolean }
  /** SizeBytes; Mode as a decimal number. */
  readonly TmpfsOptions?: { readonly SizeBytes?: number; readonly Mode?: number }
}

/** A secret of a service, as a file under /run/secrets, or at `File.Name` if that is absolute. */
export interface SecretReference {
  readonly SecretID: string
  readonly SecretName: string
  /** Mode as a decimal number: 0o400 is 256. */
  readonly File: { readonly Name: string; readonly UID: string; readonly GID: string; readonly Mode: number }
}

/** `ContainerSpec` of a service. Durations are nanoseconds. */
export interface ContainerSpec {
  readonly Image: string
  readonly Command?: ReadonlyArray<string>
  readonly Args?: ReadonlyArray<string>
  readonly Env?: ReadonlyArray<string>
  readonly Labels?: Readonly<Record<string, string>>
  readonly Hostname?: string
  readonly Dir?: string
  readonly User?: string
  readonly Groups?: ReadonlyArray<string>
  readonly TTY?: boolean
  readonly OpenStdin?: boolean
  readonly ReadOnly?: boolean
  readonly Init?: boolean
  readonly StopSignal?: string
  readonly StopGracePeriod?: number
  readonly Mounts?: ReadonlyArray<MountSpec>
  readonly Secrets?: ReadonlyArray<SecretReference>
  readonly CapabilityAdd?: ReadonlyArray<string>
  readonly CapabilityDrop?: ReadonlyArray<string>
  readonly Privileges?: {
    /** API 1.44. */
    readonly NoNewPrivileges?: boolean
    readonly SELinuxContext?: { readonly Disable?: boolean }
  }
  readonly Healthcheck?: { readonly Test: ReadonlyArray<string> }
}

/** A network of a service's tasks (API reference, `NetworkAttachmentConfig`). */
export interface NetworkAttachment {
  /** The network's name or ID. */
  readonly Target: string
  readonly Aliases?: ReadonlyArray<string>
  /** Driver options of the tasks' endpoints. */
  readonly DriverOpts?: Readonly<Record<string, string>>
}

/** What every body of `POST /services/create` has. */
export interface AnyServiceSpec {
  readonly Name: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly TaskTemplate: { readonly ContainerSpec: { readonly Image: string } }
}

/** The body of `POST /services/create`. Durations are nanoseconds. */
export interface ServiceSpec {
  readonly Name: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly TaskTemplate: {
    readonly ContainerSpec: ContainerSpec
    readonly Resources?: {
      readonly Limits?: { readonly NanoCPUs?: number; readonly MemoryBytes?: number; readonly Pids?: number }
      readonly Reservations?: { readonly NanoCPUs?: number; readonly MemoryBytes?: number }
    }
    readonly RestartPolicy?: {
      readonly Condition: "none" | "on-failure" | "any"
      readonly Delay?: number
      readonly MaxAttempts?: number
      readonly Window?: number
    }
    readonly Placement?: {
      readonly Constraints?: ReadonlyArray<string>
      readonly Platforms?: ReadonlyArray<{ readonly Architecture?: string; readonly OS?: string }>
    }
    readonly Networks?: ReadonlyArray<NetworkAttachment>
    readonly LogDriver?: { readonly Name: string; readonly Options?: Readonly<Record<string, string>> }
    readonly ForceUpdate?: number
  }
  readonly Mode?:
    | { readonly Replicated: { readonly Replicas: number } }
    | { readonly Global: Readonly<Record<string, never>> }
    | { readonly ReplicatedJob: { readonly MaxConcurrent?: number; readonly TotalCompletions?: number } }
    | { readonly GlobalJob: Readonly<Record<string, never>> }
  readonly UpdateConfig?: { readonly Parallelism?: number; readonly Order?: "start-first" | "stop-first" }
  readonly EndpointSpec?: { readonly Mode: "vip" | "dnsrr" }
}

/** The body of `POST /networks/create`. */
export interface NetworkCreate {
  readonly Name: string
  readonly Driver: "overlay" | "bridge"
  /** Whether containers without a service may join. */
  readonly Attachable?: boolean
  /** Without a route to other networks. */
  readonly Internal?: boolean
  readonly CheckDuplicate?: boolean
  /** The address range; default: the engine chooses one. */
  readonly IPAM?: { readonly Config: ReadonlyArray<{ readonly Subnet: string }> }
  readonly Labels?: Readonly<Record<string, string>>
}

/** The body of `POST /containers/{id}/exec`. */
export interface ExecCreate {
  readonly Cmd: ReadonlyArray<string>
  readonly Env?: ReadonlyArray<string>
  readonly User?: string
  readonly WorkingDir?: string
  readonly Privileged?: boolean
  readonly Tty?: boolean
  readonly AttachStdin?: boolean
  readonly AttachStdout?: boolean
  readonly AttachStderr?: boolean
  /** Rows, columns. API 1.42; older engines ignore it. */
  readonly ConsoleSize?: readonly [rows: number, columns: number]
  readonly DetachKeys?: string
}

/** The body of `POST /containers/create`. */
export interface ContainerCreate {
  readonly Image: string
  readonly Cmd?: ReadonlyArray<string>
  readonly Entrypoint?: ReadonlyArray<string>
  readonly Env?: ReadonlyArray<string>
  readonly Labels?: Readonly<Record<string, string>>
  readonly Hostname?: string
  readonly User?: string
  readonly WorkingDir?: string
  readonly Tty?: boolean
  readonly OpenStdin?: boolean
  readonly StdinOnce?: boolean
  readonly AttachStdin?: boolean
  readonly AttachStdout?: boolean
  readonly AttachStderr?: boolean
  readonly NetworkDisabled?: boolean
  readonly StopSignal?: string
  readonly HostConfig?: {
    readonly AutoRemove?: boolean
    readonly Binds?: ReadonlyArray<string>
    readonly Mounts?: ReadonlyArray<MountSpec>
    readonly CapAdd?: ReadonlyArray<string>
    readonly CapDrop?: ReadonlyArray<string>
    readonly Init?: boolean
    readonly LogConfig?: { readonly Type: string; readonly Config?: Readonly<Record<string, string>> }
    readonly NetworkMode?: string
    readonly PidMode?: string
    readonly PidsLimit?: number
    readonly Memory?: number
    readonly Privileged?: boolean
    readonly ReadonlyRootfs?: boolean
    readonly RestartPolicy?: { readonly Name: string }
    readonly SecurityOpt?: ReadonlyArray<string>
    readonly Tmpfs?: Readonly<Record<string, string>>
    readonly UsernsMode?: string
  }
  readonly NetworkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, object>> }
}

/**
 * A file in a container: the header `X-Docker-Container-Path-Stat` of `/containers/{id}/archive`. `mode` is Go's `os.FileMode`, whose
 * upper bits are the kind of the file.
 *
 * @category models
 * @since 0.2.0
 */
export const PathStat = Schema.Struct({
  name: Schema.String,
  size: Schema.Finite,
  mode: Schema.Int,
  mtime: Text,
  /** The final target of a symbolic link, as a path in the container. */
  linkTarget: Text
})
/**
 * A file in a container: the header `X-Docker-Container-Path-Stat` of `/containers/{id}/archive`. `mode` is Go's `os.FileMode`, whose
 * upper bits are the kind of the file.
 *
 * @category models
 * @since 0.2.0
 */
export type PathStat = typeof PathStat.Type
