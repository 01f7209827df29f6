/**
 * Events, results and errors as schemas, for `Rpc`, `Activity`, queues and logs. Encoded values are JSON: bytes are base64. Errors are
 * schemas themselves; `TaskExecError` is their union.
 */
import * as Schema from "effect/Schema"
import type * as Results from "./Collect.ts"
import type * as ExecEvents from "./executor/ExecEvent.ts"
import type * as FleetEvents from "./fleet/FleetEvent.ts"
import { dataOf, orUndefined } from "./internal/dataSchema.ts"
import { TaskPolicy } from "./policy/TaskPolicy.ts"
import type * as Runs from "./Run.ts"
import type * as Vias from "./request/Via.ts"
import { runErrors } from "./TaskExecError.ts"
import type * as Tasks from "./target/ResolvedTask.ts"

const bytes = Schema.Uint8ArrayFromBase64

/**
 * The node of a task, as the managers see it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskNode = dataOf<Tasks.TaskNode>()(
  Schema.Struct({
    id: Schema.String,
    hostname: Schema.String,
    state: Schema.String,
    availability: Schema.String
  })
)

/**
 * The node of a task, as the managers see it.
 *
 * @category schemas
 * @since 0.1.0
 */
export type TaskNode = Tasks.TaskNode

/**
 * A running task, with its service, its node, its container and its policy.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResolvedTask = dataOf<Tasks.ResolvedTask>()(
  Schema.Struct({
    id: Schema.String,
    name: Schema.String,
    service: Schema.Struct({ id: Schema.String, name: Schema.String }),
    slot: Schema.optionalKey(Schema.Finite),
    node: TaskNode,
    container: Schema.String,
    policy: TaskPolicy
  })
)

/**
 * A running task, with its service, its node, its container and its policy.
 *
 * @category schemas
 * @since 0.1.0
 */
export type ResolvedTask = Tasks.ResolvedTask

/**
 * The route that a run takes: `local` (the connected engine runs the task), or the `agent` or a `helper` on the task's node.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Route = dataOf<Vias.Route>()(Schema.Literals(["local", "agent", "helper"]))

/**
 * The route that a run takes: `local` (the connected engine runs the task), or the `agent` or a `helper` on the task's node.
 *
 * @category schemas
 * @since 0.1.0
 */
export type Route = Vias.Route

/**
 * An event of a command, in the order in which they happen. The last one is `Exited` or `Detached`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExecEvent = dataOf<ExecEvents.ExecEvent>()(
  Schema.TaggedUnion({
    Started: { execId: Schema.String },
    Stdout: { data: bytes },
    Stderr: { data: bytes },
    Exited: { code: Schema.Finite },
    Detached: { execId: Schema.String }
  })
)

/**
 * An event of a command, in the order in which they happen. The last one is `Exited` or `Detached`.
 *
 * @category schemas
 * @since 0.1.0
 */
export type ExecEvent = ExecEvents.ExecEvent

/**
 * An event of a run. The order is `Resolved`, `Started`, any number of `Stdout` and `Stderr`, `Exited`. A detached command has only
 * `Resolved` and `Detached`.
 *
 * @category schemas
 * @since 0.2.0
 */
export const RunEvent = dataOf<Runs.RunEvent>()(
  Schema.Union([Schema.TaggedStruct("Resolved", { task: ResolvedTask, route: Route }), ExecEvent])
)

/**
 * An event of a run. The order is `Resolved`, `Started`, any number of `Stdout` and `Stderr`, `Exited`. A detached command has only
 * `Resolved` and `Detached`.
 *
 * @category schemas
 * @since 0.2.0
 */
export type RunEvent = Runs.RunEvent

/**
 * The exit code of a run, and its output.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExecResult = dataOf<Results.ExecResult>()(
  Schema.Struct({
    exitCode: orUndefined(Schema.Finite),
    stdout: bytes,
    stderr: bytes,
    task: ResolvedTask,
    route: Route
  })
)

/**
 * The exit code of a run, and its output.
 *
 * @category schemas
 * @since 0.1.0
 */
export type ExecResult = Results.ExecResult

/**
 * Every error with which a run can fail. An exit code other than 0 is not an error.
 *
 * @category schemas
 * @since 0.2.0
 */
export const RunError = dataOf<Runs.RunError>()(runErrors)

/**
 * Every error with which a run can fail. An exit code other than 0 is not an error.
 *
 * @category schemas
 * @since 0.2.0
 */
export type RunError = Runs.RunError

/**
 * The result in one task of a fan-out.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskResult = dataOf<FleetEvents.TaskResult>()(
  Schema.TaggedUnion({
    Exited: { code: Schema.Finite },
    Detached: {},
    Failed: { error: RunError },
    Skipped: { reason: Schema.Literals(["failures", "deadline", "interrupted"]) }
  })
)

/**
 * The result in one task of a fan-out.
 *
 * @category schemas
 * @since 0.1.0
 */
export type TaskResult = FleetEvents.TaskResult

/**
 * A task of a fan-out, and its result.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskOutcome = dataOf<FleetEvents.TaskOutcome>()(
  Schema.Struct({
    task: ResolvedTask,
    result: TaskResult
  })
)

/**
 * A task of a fan-out, and its result.
 *
 * @category schemas
 * @since 0.1.0
 */
export type TaskOutcome = FleetEvents.TaskOutcome

/**
 * An event of a fan-out. `Chosen` is the first one, `Finished` the last one.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FleetEvent = dataOf<FleetEvents.FleetEvent>()(
  Schema.TaggedUnion({
    Chosen: { tasks: Schema.Array(ResolvedTask) },
    Started: { task: ResolvedTask },
    Stdout: { task: ResolvedTask, data: bytes },
    Stderr: { task: ResolvedTask, data: bytes },
    Replaced: { task: ResolvedTask, by: ResolvedTask },
    Ended: { task: ResolvedTask, result: TaskResult },
    Finished: { results: Schema.Array(TaskOutcome) }
  })
)

/**
 * An event of a fan-out. `Chosen` is the first one, `Finished` the last one.
 *
 * @category schemas
 * @since 0.1.0
 */
export type FleetEvent = FleetEvents.FleetEvent
