/**
 * Requests and targets as schemas, for `Rpc`, `Activity`, queues and logs. Encoded values are JSON. Durations are milliseconds or texts such as
 * `"90 seconds"`.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Signal, TerminalSize } from "./executor/ExecSpec.ts"
import type * as Amounts from "./fleet/Amount.ts"
import type * as Fleets from "./fleet/FleetRequest.ts"
import type * as Selections from "./fleet/Selection.ts"
import type * as TaskFilters from "./fleet/TaskFilter.ts"
import { dataOf, orUndefined } from "./internal/dataSchema.ts"
import type { ActionRequest, LogOptions, SignalOptions } from "./request/ActionRequest.ts"
import type { CommandRequest, ExecRequest, TtyRequest } from "./request/ExecRequest.ts"
import type { OneOffRequest } from "./request/OneOffRequest.ts"
import * as Vias from "./request/Via.ts"
import type * as Targets from "./target/Target.ts"

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
      slotNode: Schema.optionalKey(Schema.String),
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
