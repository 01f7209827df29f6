/** The objects of one engine in the Docker Engine API, with the parts that task-exec reads. See `SchemaFields.ts`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Count, Flag, Labels, leftOut, Text, Texts } from "./SchemaFields.ts"

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

/** `GET /version`. */
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

/** `GET /info`. */
export type Info = typeof Info.Type

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

/** `GET /containers/{id}/json`. */
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

/** `GET /containers/json`. */
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

/** `GET /images/{ref}/json`. */
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

/** `GET /images/json`. */
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

/** `GET /exec/{id}/json`. */
export type ExecInspect = typeof ExecInspect.Type

/** One line of `GET /events`. */
export const Event = Schema.Struct({
  /** "start", "exec_die", …; some have details after a colon. */
  Action: Text,
  Actor: Schema.Struct({ ID: Text, Attributes: Labels }).pipe(Schema.withDecodingDefaultKey(leftOut))
})

/** One line of `GET /events`. */
export type Event = typeof Event.Type

/** `POST /containers/create`. */
export const ContainerCreated = Schema.Struct({ Id: Schema.String, Warnings: Texts })

/** `POST /containers/{id}/exec`. */
export const ExecCreated = Schema.Struct({ Id: Schema.String })

/** `POST /containers/{id}/wait`. */
export const ContainerWaited = Schema.Struct({
  StatusCode: Schema.Int,
  /** The reason why the engine could not wait. */
  Error: Schema.optionalKey(Schema.Struct({ Message: Text }))
})

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
