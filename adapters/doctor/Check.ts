/** A check: what it found, and what to do. */
import * as Schema from "effect/Schema"

/** The subjects of checks, in the order of the report. */
export const Subject = Schema.Literals([
  "engine",
  "swarm",
  "managers",
  "image",
  "node",
  "platform",
  "helper",
  "version",
  "socket",
  "kill",
  "clock",
  "overlay",
  "leftovers"
])

/** The subject of a check. */
export type Subject = typeof Subject.Type

/** `warning`: task-exec works, but may fail later. `skipped`: not checked, because an earlier check fails. */
export const Verdict = Schema.Literals(["ok", "warning", "fails", "skipped"])

/** The result of a check. */
export type Verdict = typeof Verdict.Type

/** A node: its ID and its host name. */
export const NodeName = Schema.Struct({ id: Schema.String, hostname: Schema.String })

/** A node: its ID and its host name. */
export type NodeName = typeof NodeName.Type

/** One check. */
export const Check = Schema.Struct({
  check: Subject,
  /** The node, if the check is about one. */
  node: Schema.optionalKey(NodeName),
  verdict: Verdict,
  /** What was found, or why the check was skipped. */
  found: Schema.String,
  /** What to do. Every `warning` and `fails` has it. */
  next: Schema.optionalKey(Schema.String)
})

/** One check. */
export type Check = typeof Check.Type

/** The document of `--json`. */
export const Diagnosis = Schema.Struct({
  /** The version of task-exec. */
  version: Schema.String,
  /** The worst verdict of all checks, including those that `--quiet` hides. */
  verdict: Verdict,
  checks: Schema.Array(Check)
})

/** The document of `--json`. */
export type Diagnosis = typeof Diagnosis.Type

/** What is wrong, and what to do. */
export interface Trouble {
  readonly found: string
  readonly next: string
}

/** Builds checks of a node, or of the swarm. */
export const checksOf = (node?: NodeName) => {
  const of = (check: Subject, verdict: Verdict, found: string, next?: string): Check => ({
    check,
    ...(node === undefined ? {} : { node }),
    verdict,
    found,
    ...(next === undefined ? {} : { next })
  })
  return {
    ok: (check: Subject, found: string) => of(check, "ok", found),
    warning: (check: Subject, { found, next }: Trouble) => of(check, "warning", found, next),
    fails: (check: Subject, { found, next }: Trouble) => of(check, "fails", found, next),
    skip: (check: Subject, why: string) => of(check, "skipped", why),
    skipAll: (subjects: ReadonlyArray<Subject>, why: string) => subjects.map((check) => of(check, "skipped", why))
  }
}

/** Returns the worst verdict. */
export const worstOf = (checks: ReadonlyArray<Check>): Verdict => {
  const has = (verdict: Verdict) => checks.some((check) => check.verdict === verdict)
  return has("fails") ? "fails" : has("warning") ? "warning" : "ok"
}
