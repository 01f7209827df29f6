/** The objects of a swarm in the Docker Engine API, with the parts that task-exec reads. See `SchemaFields.ts`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Count, Flag, Labels, leftOut, ObjectVersion, Text, Texts, Unknown, Version } from "./SchemaFields.ts"

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

/** `GET /tasks`. */
export type Task = typeof Task.Type

/** `GET /tasks/{id}`, with the spec of the task: the service's `TaskTemplate` at the task's creation. */
export const TaskDetails = Schema.Struct({ ...Task.fields, Spec: Unknown })

/** `GET /tasks/{id}`, with the spec of the task: the service's `TaskTemplate` at the task's creation. */
export type TaskDetails = typeof TaskDetails.Type

/** A service's `TaskTemplate`. */
export const TaskTemplate = Schema.Struct({
  /** Absent for tasks without a container. */
  ContainerSpec: Schema.optionalKey(Schema.Struct({ Image: Text })),
  /** "none", "on-failure" or "any"; empty means "any". */
  RestartPolicy: Schema.Struct({ Condition: Text }).pipe(Schema.withDecodingDefaultKey(leftOut))
})

/** A service's `TaskTemplate`. */
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

/** `GET /services`, `GET /services/{id}`. */
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

/** `GET /nodes`, `GET /nodes/{id}`. */
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

/** `GET /networks`. */
export type Network = typeof Network.Type

/** `GET /secrets`. No engine returns the content of a secret. */
export const Secret = Schema.Struct({
  ID: Schema.String,
  Version: ObjectVersion,
  CreatedAt: Text,
  Spec: Schema.Struct({ Name: Text, Labels }).pipe(Schema.withDecodingDefaultKey(leftOut))
})

/** `GET /secrets`. No engine returns the content of a secret. */
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

/** `GET /configs`. */
export type Config = typeof Config.Type

/** `POST /services/create`. */
export const ServiceCreated = Schema.Struct({
  ID: Schema.String,
  /** A list since API 1.44; before, a text or absent. */
  Warnings: Texts,
  Warning: Text
})

/** `POST /configs/create`. */
export const ConfigCreated = Schema.Struct({ ID: Schema.String })

/** `POST /secrets/create`. */
export const SecretCreated = Schema.Struct({ ID: Schema.String })

/** `POST /networks/create`. */
export const NetworkCreated = Schema.Struct({ Id: Schema.String })
