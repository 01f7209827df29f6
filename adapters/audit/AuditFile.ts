/**
 * Appends what was done to a file, a JSON document a line. Many may write to the same file at the same time: a line is one
 * write to a file that is open for appending.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Audit, type AuditRecord } from "../../src/audit/Audit.ts"
import { whoAmI } from "../../src/audit/WhoAmI.ts"
import { toJson } from "../Printable.ts"

/** The file can't be opened: nothing was done. Or it can't be written: what was done is not recorded. */
export class AuditFailed extends Schema.TaggedError<AuditFailed>()("AuditFailed", {
  file: Schema.String,
  /** `open`: before anything was done. */
  step: Schema.Literals(["open", "write"]),
  detail: Schema.String
}) {
  override get message(): string {
    const what =
      this.step === "open"
        ? "can't be opened, so nothing was run"
        : "can't be written: what was done is not recorded, or not all of it"
    return `the audit file ${this.file} ${what} (${this.detail})`
  }
}

/** Where to, and for whom. */
export interface AuditFileOptions {
  readonly file: string
  /** On whose behalf, in the caller's own words. */
  readonly as?: string | undefined
  /** The file that a session's output is recorded in. */
  readonly recording?: string | undefined
}

/**
 * Runs the program with its runs and copies recorded. The file is there before the program begins; it is made for its owner
 * alone. An exit code of 0 does not survive a record that could not be written: it is an `AuditFailed` then; beside any other
 * end it is a warning.
 */
export const withAuditFile =
  ({ file, ...more }: AuditFileOptions) =>
  <E, R>(program: Effect.Effect<number, E, R>): Effect.Effect<number, E | AuditFailed, R> =>
    Effect.gen(function* () {
      const failed = (step: "open" | "write") => (error: unknown) =>
        new AuditFailed({ file, step, detail: error instanceof Error ? error.message : String(error) })
      const fd = yield* Effect.acquireRelease(
        Effect.try({ try: () => openSync(file, flags, 0o600), catch: failed("open") }),
        (opened) => Effect.sync(() => closeSync(opened))
      )
      let broken: AuditFailed | undefined
      const record = (done: AuditRecord) =>
        Effect.try({ try: () => writeWhole(fd, lineOf(done, more)), catch: failed("write") }).pipe(
          Effect.catch((error) =>
            Effect.sync(() => {
              broken ??= error
            })
          )
        )
      const code = yield* Effect.provideService(program, Audit, { record }).pipe(
        Effect.onError(() => (broken === undefined ? Effect.void : Effect.logWarning(broken.message)))
      )
      if (broken === undefined) return code
      if (code === 0) return yield* broken
      yield* Effect.logWarning(broken.message)
      return code
    }).pipe(Effect.scoped)

/** Opens a FIFO without waiting for its reader. */
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

const writeWhole = (fd: number, line: string): void => {
  const bytes = Buffer.from(line)
  const written = writeSync(fd, bytes)
  if (written < bytes.length) throw new Error(`${written} of ${bytes.length} bytes were written`)
}

/** The line of a record. */
export const lineOf = (record: AuditRecord, { as, recording }: Omit<AuditFileOptions, "file"> = {}): string => {
  const who = { ...whoAmI(), ...(as === undefined ? {} : { as }) }
  return `${toJson({ who, ...record, ...(recording === undefined ? {} : { recording }) })}\n`
}
