/**
 * The library's data as schemas, for `Rpc`, `Activity`, queues and logs. Encoded values are JSON: bytes are base64, durations are
 * milliseconds or texts such as `"90 seconds"`. Errors are schemas themselves; `TaskExecError` is their union.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as Results from "./Collect.ts"
import type * as ExecEvents from "./executor/ExecEvent.ts"
import { Signal, TerminalSize } from "./executor/ExecSpec.ts"
import type * as Amounts from "./fleet/Amount.ts"
import type * as FleetEvents from "./fleet/FleetEvent.ts"
import type * as Fleets from "./fleet/FleetRequest.ts"
import type * as Selections from "./fleet/Selection.ts"
import type * as TaskFilters from "./fleet/TaskFilter.ts"
import { TaskPolicy } from "./policy/TaskPolicy.ts"
import type * as Runs from "./Run.ts"
import type { ActionRequest, LogOptions, SignalOptions } from "./request/ActionRequest.ts"
import type { CommandRequest, ExecRequest, TtyRequest } from "./request/ExecRequest.ts"
import type { OneOffRequest } from "./request/OneOffRequest.ts"
import * as Vias from "./request/Via.ts"
import { runErrors } from "./TaskExecError.ts"
import type * as Tasks from "./target/ResolvedTask.ts"
import type * as Targets from "./target/Target.ts"

/** Gives a schema the name of its type. Does not compile unless the schema encodes and decodes exactly the values of the type. */
const dataOf =
  <A>() =>
  <S extends Schema.Codec<A, Schema.Json>>(
    schema: S & ([A] extends [S["Type"]] ? unknown : never)
  ): Schema.Codec<A, Schema.Json> =>
    schema

/** A value that may be `undefined`, which is encoded as `null`. */
const orUndefined = <A, I>(schema: Schema.Codec<A, I>) =>
  Schema.NullOr(schema).pipe(
    Schema.decodeTo(Schema.UndefinedOr(Schema.toType(schema)), {
      decode: SchemaGetter.transform((value: A | null) => value ?? undefined),
      encode: SchemaGetter.transform((value: A | undefined) => value ?? null)
    })
  )

const bytes = Schema.Uint8ArrayFromBase64

const hasMillis = (duration: Duration.Duration): boolean => Number.isFinite(Duration.toMillis(duration))

/**
 * A duration as data: milliseconds, a text such as `"90 seconds"`, or a `Duration`, which is encoded as milliseconds.
 *
 * @category schemas
 * @since 0.2.0
 */
export type DurationData = number | `${number} ${Duration.Unit}` | Duration.Duration

const units = ["nano", "micro", "milli", "second", "minute", "hour", "day", "week"] as const
const unit = Schema.Literals([...units, "nanos", "micros", "millis", "seconds", "minutes", "hours", "days", "weeks"])

/**
 * A duration as data.
 *
 * @category schemas
 * @since 0.2.0
 */
export const DurationData = dataOf<DurationData>()(
  Schema.Union([
    Schema.Finite,
    Schema.TemplateLiteral([Schema.Finite, " ", unit]),
    Schema.DurationFromMillis.check(Schema.makeFilter(hasMillis, { expected: "a finite duration" }))
  ])
)

/** An action of a request. */
const action = dataOf<ActionRequest>()(
  Schema.TaggedUnion({
    Logs: {
      follow: Schema.optionalKey(Schema.Boolean),
      tail: Schema.optionalKey(Schema.Finite),
      since: Schema.optionalKey(Schema.String),
      until: Schema.optionalKey(Schema.String),
      timestamps: Schema.optionalKey(Schema.Boolean)
    } satisfies Fields<LogOptions>,
    Signal: { signal: Schema.String } satisfies Fields<SignalOptions>
  })
)

/** The data that the requests for one task and for many tasks share. */
const commandFields = {
  command: Schema.Array(Schema.String),
  action: Schema.optionalKey(action),
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  user: Schema.optionalKey(Schema.String),
  workdir: Schema.optionalKey(Schema.String),
  toolbox: Schema.optionalKey(Schema.Struct({ image: Schema.String })),
  privileged: Schema.optionalKey(Schema.Boolean),
  detach: Schema.optionalKey(Schema.Boolean),
  timeout: Schema.optionalKey(Schema.Union([Schema.Literal("none"), DurationData])),
  signal: Schema.optionalKey(Signal),
  grace: Schema.optionalKey(DurationData),
  via: Schema.optionalKey(Vias.Via),
  image: Schema.optionalKey(Schema.String),
  placementTimeout: Schema.optionalKey(DurationData)
} satisfies Fields<Omit<CommandRequest, "tty">>

const resources = { memory: Schema.optionalKey(Schema.Finite), cpus: Schema.optionalKey(Schema.Finite) }

/** A field for each part of a request that is data. Does not compile if a field is missing. */
type Fields<Request> = { readonly [Key in Exclude<keyof Request, "stdin" | "signals" | "sizes">]-?: Schema.Top }

/**
 * The data of an `ExecRequest`: everything but `stdin`, `signals` and the new sizes of the terminal, which are streams.
 *
 * **Details**: the data is a valid request. Add the streams to it if you need them. Decoding does not validate the request; `TaskExec`
 * does.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 * import { ExecRequestData, TaskExec } from "task-exec"
 *
 * const work = (message: string) =>
 *   Schema.decodeUnknownEffect(Schema.fromJsonString(ExecRequestData))(message).pipe(Effect.flatMap(TaskExec.run))
 * ```
 *
 * @category schemas
 * @since 0.2.0
 */
export const ExecRequestData = Schema.Struct({
  target: Schema.String,
  wait: Schema.optionalKey(DurationData),
  ...commandFields,
  oneOff: Schema.optionalKey(
    Schema.Struct({
      image: Schema.optionalKey(Schema.String),
      entrypoint: Schema.optionalKey(Schema.Array(Schema.String)),
      labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
      constraints: Schema.optionalKey(Schema.Array(Schema.String)),
      limits: Schema.optionalKey(Schema.Struct({ ...resources, pids: Schema.optionalKey(Schema.Finite) })),
      reservations: Schema.optionalKey(Schema.Struct(resources))
    } satisfies Fields<OneOffRequest>)
  ),
  tty: Schema.optionalKey(
    Schema.Struct({
      size: TerminalSize,
      detachKeys: Schema.optionalKey(Schema.String)
    } satisfies Fields<TtyRequest>)
  )
} satisfies Fields<ExecRequest>)

/**
 * The data of an `ExecRequest`.
 *
 * @category schemas
 * @since 0.2.0
 */
export type ExecRequestData = typeof ExecRequestData.Type

/**
 * A number of tasks, or a percentage of all tasks.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Amount = dataOf<Amounts.Amount>()(
  Schema.TaggedUnion({
    Count: { count: Schema.Finite },
    Percent: { percent: Schema.Finite }
  })
)

/**
 * A number of tasks, or a percentage of all tasks.
 *
 * @category schemas
 * @since 0.1.0
 */
export type Amount = Amounts.Amount

/**
 * A condition that a task must meet.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskFilter = dataOf<TaskFilters.TaskFilter>()(
  Schema.TaggedUnion({
    Label: { key: Schema.String, value: orUndefined(Schema.String) },
    Node: { node: Schema.String },
    NodeLabel: { key: Schema.String, value: orUndefined(Schema.String) },
    State: { state: Schema.String }
  })
)

/**
 * A condition that a task must meet.
 *
 * @category schemas
 * @since 0.1.0
 */
export type TaskFilter = TaskFilters.TaskFilter

/**
 * Conditions for the tasks of a fan-out. At least one of `services`, `targets`, `stack` and `node` is required.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Selection = dataOf<Selections.Selection>()(
  Schema.Struct({
    services: Schema.optionalKey(Schema.Array(Schema.String)),
    targets: Schema.optionalKey(Schema.Array(Schema.String)),
    stack: Schema.optionalKey(Schema.String),
    node: Schema.optionalKey(Schema.String),
    filters: Schema.optionalKey(Schema.Array(TaskFilter)),
    any: Schema.optionalKey(Schema.Boolean),
    limit: Schema.optionalKey(Amount)
  } satisfies Fields<Selections.Selection>)
)

/**
 * Conditions for the tasks of a fan-out. At least one of `services`, `targets`, `stack` and `node` is required.
 *
 * @category schemas
 * @since 0.1.0
 */
export type Selection = Selections.Selection

/**
 * The data of a `FleetRequest`: everything but `stdin` and `signals`, which are streams.
 *
 * @category schemas
 * @since 0.2.0
 */
export const FleetRequestData = Schema.Struct({
  selection: Selection,
  ...commandFields,
  pacing: Schema.optionalKey(
    Schema.Struct({
      parallel: Schema.optionalKey(Amount),
      delay: Schema.optionalKey(DurationData),
      maxFailures: Schema.optionalKey(Amount),
      deadline: Schema.optionalKey(DurationData)
    } satisfies Fields<Fleets.FleetPacing>)
  ),
  followUpdates: Schema.optionalKey(Schema.Boolean)
} satisfies Fields<Fleets.FleetRequest>)

/**
 * The data of a `FleetRequest`: everything but `stdin` and `signals`, which are streams.
 *
 * @category schemas
 * @since 0.2.0
 */
export type FleetRequestData = typeof FleetRequestData.Type

/**
 * A parsed target. `text` is what the user typed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Target = dataOf<Targets.Target>()(
  Schema.TaggedUnion({
    Service: {
      text: Schema.String,
      service: Schema.String,
      slot: Schema.optionalKey(Schema.Finite),
      place: Schema.optionalKey(Schema.String),
      node: Schema.optionalKey(Schema.String)
    },
    Task: { text: Schema.String, id: Schema.String },
    Container: { text: Schema.String, container: Schema.String },
    Word: { text: Schema.String, word: Schema.String }
  })
)

/**
 * A parsed target. `text` is what the user typed.
 *
 * @category schemas
 * @since 0.1.0
 */
export type Target = Targets.Target

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
