/** Audit records: one for each run in a task and for each copy, with its container and its result. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import { commandOf, type ExecSpec, type OneOffSpec } from "../executor/ExecSpec.ts"
import type { Route } from "../request/Via.ts"

/**
 * The container of a run or copy, and its task. Service, task and node are absent if the request named a container, not a task.
 *
 * @category audit
 * @since 0.1.0
 */
export interface AuditTarget {
  readonly service?: string
  /** Name of the task: `web.2`, `web@node-3`. */
  readonly task?: string
  readonly taskId?: string
  /** Host name of the node. */
  readonly node?: string
  /** Full ID of the container. */
  readonly container: string
}

/**
 * How a run or a copy ended.
 *
 * @category audit
 * @since 0.1.0
 */
export type AuditOutcome =
  /** The command's own exit code. */
  | { readonly exitCode: number }
  /** The command was started, and the run did not wait for its end. */
  | { readonly detached: true }
  /** Everything was copied. */
  | { readonly copied: true }
  /** The tag of the error: `PolicyDenied`, `ExecTimeout`, … */
  | { readonly error: string }
  /** The caller stopped early, and task-exec killed the command or stopped the copy. */
  | { readonly interrupted: true }

/** The fields of every record. */
interface Recorded {
  readonly target: AuditTarget
  readonly route: Route
  /** The time before the start, and the time at which the result was known: RFC 3339, in UTC. */
  readonly start: string
  readonly end: string
  readonly outcome: AuditOutcome
}

/**
 * The audit record of a command.
 *
 * @category audit
 * @since 0.1.0
 */
export interface ExecRecord extends Recorded {
  readonly action: "exec"
  /** ID of the run. The command's processes have it in their environment (`TASK_EXEC_RUN`). */
  readonly run: string
  readonly command: ReadonlyArray<string>
  /** Names of the variables that were set for the command. Values are left out, because they may be secret. */
  readonly env: ReadonlyArray<string>
  readonly user?: string
  readonly workdir?: string
  /** The image of the toolbox in which the command ran. */
  readonly toolbox?: string
  /** The one-off task in which the command ran. `command` is then `run` with the caller's words. */
  readonly oneOff?: { readonly image: string; readonly entrypoint?: ReadonlyArray<string> }
  readonly privileged: boolean
  readonly tty: boolean
  readonly stdin: boolean
  readonly detach: boolean
  /** Bytes of input, and of output. */
  readonly bytes: { readonly stdin: number; readonly stdout: number; readonly stderr: number }
}

/**
 * The audit record of a copy.
 *
 * @category audit
 * @since 0.1.0
 */
export interface CopyRecord extends Recorded {
  readonly action: "copy"
  /** Paths in the container that were read. */
  readonly read: ReadonlyArray<string>
  /** Paths in the container that were written to. */
  readonly written: ReadonlyArray<string>
  /** Bytes of the archives, out of the container and into it. */
  readonly bytes: { readonly out: number; readonly in: number }
}

/**
 * The audit record of a command or a copy. Holds no input, no output and no values of variables.
 *
 * @category audit
 * @since 0.1.0
 */
export type AuditRecord = ExecRecord | CopyRecord

/**
 * Receives an audit record of each command and each copy. Default: no records are kept.
 *
 * **Details**: `record` is called when the command or the copy has ended, separately for each task of a fan-out. The run waits for it.
 *
 * **Gotchas**: a run that fails before its route is chosen, such as with `TaskNotFound`, has no record.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Audit, TaskExec } from "task-exec"
 *
 * const audited = TaskExec.run({ target: "web.2", command: ["true"] }).pipe(
 *   Effect.provideService(Audit, { record: (record) => Effect.log(JSON.stringify(record)) })
 * )
 * ```
 *
 * @category audit
 * @since 0.1.0
 */
export class Audit extends Context.Reference<
  { readonly record: (record: AuditRecord) => Effect.Effect<void> } | undefined
>("task-exec/Audit", { defaultValue: () => undefined }) {}

const oneOffOf = ({ entrypoint, image }: OneOffSpec) => ({ image, ...(entrypoint === undefined ? {} : { entrypoint }) })

/** Returns the fields of a command's record that are known before the command runs. */
export const describeSpec = (
  spec: ExecSpec
): Omit<ExecRecord, "target" | "route" | "start" | "end" | "outcome" | "bytes"> => ({
  action: "exec",
  run: spec.runId,
  command: commandOf(spec),
  env: spec.env.map((variable) => variable.slice(0, variable.indexOf("="))),
  ...(spec.user === undefined ? {} : { user: spec.user }),
  ...(spec.workdir === undefined ? {} : { workdir: spec.workdir }),
  ...(spec.toolbox?._tag === "Debug" ? { toolbox: spec.toolbox.image } : {}),
  ...(spec.oneOff === undefined ? {} : { oneOff: oneOffOf(spec.oneOff) }),
  privileged: spec.privileged,
  tty: spec.tty !== undefined,
  stdin: spec.stdin,
  detach: spec.detach
})
