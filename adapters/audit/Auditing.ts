/** Whether runs are to be recorded in a file, and in which. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type { AuditFailed } from "./AuditFile.ts"

/** As a command line says it. */
export interface AuditFlags {
  /** Default: `TASK_EXEC_AUDIT_FILE`, and none where that is empty. */
  readonly file?: string | undefined
  /** On whose behalf, in the caller's own words. */
  readonly as?: string | undefined
  /** The file that a session's output is recorded in. */
  readonly recording?: string | undefined
}

/** Runs the program, with its runs and copies recorded where it is wanted. */
export const audited =
  (flags: AuditFlags = {}) =>
  <E, R>(program: Effect.Effect<number, E, R>): Effect.Effect<number, E | AuditFailed | Config.ConfigError, R> =>
    Effect.gen(function* () {
      const file = flags.file ?? (yield* Config.String("TASK_EXEC_AUDIT_FILE").pipe(Config.withDefault("")))
      if (file === "" && flags.file === undefined) return yield* program
      const { withAuditFile } = yield* Effect.promise(() => import("./AuditFile.ts"))
      return yield* withAuditFile({ ...flags, file })(program)
    })
