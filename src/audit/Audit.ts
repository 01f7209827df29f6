/** What was done in which container, and how it ended: a record for each run in a task, and for each copy. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import { commandOf, type ExecSpec, type OneOffSpec } from "../executor/ExecSpec.ts"
import type { Route } from "../request/Via.ts"

/** Where it was done. All but the container is absent for one that is looked at as no task's. */
export interface AuditTarget {
  readonly service?: string
  /** `web.2`, `web@node-3`. */
  readonly task?: string
  readonly taskId?: string
  /** Host name. */
  readonly node?: string
  /** Full ID. */
  readonly container: string
}

/** How it ended. */
export type AuditOutcome =
  /** The command's own exit code. */
  | { readonly exitCode: number }
  /** It was started and let go of. */
  | { readonly detached: true }
  /** All was copied. */
  | { readonly copied: true }
  /** The tag of the error: `PolicyDenied`, `ExecTimeout`, … */
  | { readonly error: string }
  /** The caller stopped early, and task-exec ended it. */
  | { readonly interrupted: true }

/** What every record has. */
interface Recorded {
  readonly target: AuditTarget
  readonly route: Route
  /** When it set out for the node, and when its end was known: RFC 3339, in UTC. */
  readonly start: string
  readonly end: string
  readonly outcome: AuditOutcome
}

/** A command. */
export interface ExecRecord extends Recorded {
  readonly action: "exec"
  /** The run's ID, which its processes have in their environment. */
  readonly run: string
  readonly command: ReadonlyArray<string>
  /** Names of the variables that were set for the command, without their values, which may be secret. */
  readonly env: ReadonlyArray<string>
  readonly user?: string
  readonly workdir?: string
  /** The image of the toolbox in which the command ran beside the container. */
  readonly toolbox?: string
  /** The one-off task in which the command ran. `command` is then `run` with the caller's words. */
  readonly oneOff?: { readonly image: string; readonly entrypoint?: ReadonlyArray<string> }
  readonly privileged: boolean
  readonly tty: boolean
  readonly stdin: boolean
  readonly detach: boolean
  /** That went in and came out. */
  readonly bytes: { readonly stdin: number; readonly stdout: number; readonly stderr: number }
}

/** Files. */
export interface CopyRecord extends Recorded {
  readonly action: "copy"
  /** Paths in the container that were read, and those that were written to. */
  readonly read: ReadonlyArray<string>
  readonly written: ReadonlyArray<string>
  /** Of archives, out of the container and into it. */
  readonly bytes: { readonly out: number; readonly in: number }
}

/** What was done. */
export type AuditRecord = ExecRecord | CopyRecord

/** Keeps the records. Default: none is kept. */
export class Audit extends Context.Reference<
  { readonly record: (record: AuditRecord) => Effect.Effect<void> } | undefined
>("task-exec/Audit", { defaultValue: () => undefined }) {}

const oneOffOf = ({ entrypoint, image }: OneOffSpec) => ({ image, ...(entrypoint === undefined ? {} : { entrypoint }) })

/** What a record says of a command before it is run. */
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
