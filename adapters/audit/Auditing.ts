/** Decides whether runs are recorded in an audit file. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type { AuditFailed } from "./AuditFile.ts"

/** The flags of a command line. */
export interface AuditFlags {
  /** Default: `TASK_EXEC_AUDIT_FILE`. No file if that is empty. */
  readonly file?: string | undefined
  /** The user that the caller names. */
  readonly as?: string | undefined
  /** The file of `--record`. */
  readonly recording?: string | undefined
}

/** Runs a program and records its runs and copies if an audit file is set. */
export const audited =
  (flags: AuditFlags = {}) =>
  <E, R>(program: Effect.Effect<number, E, R>): Effect.Effect<number, E | AuditFailed | Config.ConfigError, R> =>
    Effect.gen(function* () {
      const file = flags.file ?? (yield* Config.String("TASK_EXEC_AUDIT_FILE").pipe(Config.withDefault("")))
      if (file === "" && flags.file === undefined) return yield* program
      const { withAuditFile } = yield* Effect.promise(() => import("./AuditFile.ts"))
      return yield* withAuditFile({ ...flags, file })(program)
    })
