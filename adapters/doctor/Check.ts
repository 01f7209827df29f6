/** What one look at the swarm found, and what there is to do about it. */
import * as Schema from "effect/Schema"

/** What is looked at, in the order in which it is told. */
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

/** What is looked at. */
export type Subject = typeof Subject.Type

/** `warning`: task-exec works, but may not always. `skipped`: it could not be looked at, because something before it fails. */
export const Verdict = Schema.Literals(["ok", "warning", "fails", "skipped"])

/** How it is. */
export type Verdict = typeof Verdict.Type

/** A node, by what people and what Swarm call it. */
export const NodeName = Schema.Struct({ id: Schema.String, hostname: Schema.String })

/** A node, by what people and what Swarm call it. */
export type NodeName = typeof NodeName.Type

/** One check. */
export const Check = Schema.Struct({
  check: Subject,
  /** The node that it is about, where it is about one. */
  node: Schema.optionalKey(NodeName),
  verdict: Verdict,
  /** What was found, or why it was not looked at. */
  found: Schema.String,
  /** What to do: there with every `warning` and `fails`. */
  next: Schema.optionalKey(Schema.String)
})

/** One check. */
export type Check = typeof Check.Type

/** The document of `--json`. */
export const Diagnosis = Schema.Struct({
  /** Of this program. */
  version: Schema.String,
  /** The worst verdict of all checks, also of those that `--quiet` leaves out. */
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

/** The checks of a node, or of the swarm as a whole. */
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

/** The worst of these. */
export const worstOf = (checks: ReadonlyArray<Check>): Verdict => {
  const has = (verdict: Verdict) => checks.some((check) => check.verdict === verdict)
  return has("fails") ? "fails" : has("warning") ? "warning" : "ok"
}
