/**
 * The audit file: one JSON line per run and per copy. Several processes may append to the same file: a line is one write to a file that
 * is open for appending.
 */

import { closeSync, constants, openSync, writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Audit, type AuditRecord } from "../../src/audit/Audit.ts"
import { whoAmI } from "../../src/audit/WhoAmI.ts"
import { reasonOf } from "../../src/engine/Hints.ts"
import { toJson } from "../Printable.ts"

/** The audit file cannot be opened, so nothing was run; or it cannot be written, so a record is missing. */
export class AuditFailed extends Schema.TaggedError<AuditFailed>()("AuditFailed", {
  file: Schema.String,
  /** `open`: nothing has run. */
  step: Schema.Literals(["open", "write"]),
  detail: Schema.String
}) {
  override get message(): string {
    const what = this.step === "open" ? ", so nothing was run" : ", so the record is incomplete"
    return `cannot ${this.step} the audit file ${this.file}${what}: ${this.detail}`
  }
}

/** The audit file and the user. */
export interface AuditFileOptions {
  readonly file: string
  /** The user that the caller names. */
  readonly as?: string | undefined
  /** The file of `--record`. */
  readonly recording?: string | undefined
}

/**
 * Runs a program and appends its runs and copies to the audit file. Creates the file before the program starts, readable by its owner
 * only. If a record cannot be written, a program that ends with 0 fails with `AuditFailed`; any other end stays, with a warning.
 */
export const withAuditFile =
  ({ file, ...more }: AuditFileOptions) =>
  <E, R>(program: Effect.Effect<number, E, R>): Effect.Effect<number, E | AuditFailed, R> =>
    Effect.gen(function* () {
      const failed = (step: "open" | "write") => (error: unknown) =>
        new AuditFailed({ file, step, detail: reasonOf(error) })
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
