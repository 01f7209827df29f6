/** The bodies of requests to the Docker Engine API. They are types only, because the engine validates them. Names are those of the API. */

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
