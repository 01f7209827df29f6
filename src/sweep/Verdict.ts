/** What the labels of an object say about it: whose it is, and whether it is to go. */
import * as Schema from "effect/Schema"
import { labelKeys } from "../Labels.ts"

/** Which objects of ours a sweep is after. */
export const Selection = Schema.TaggedUnion({
  /** Those that are past their deadline at this Unix time in milliseconds. */
  PastDeadline: { now: Schema.Finite },
  /** Those of these runs (by ID), whatever their deadline. Objects of other runs are none of its business. */
  OfRuns: { runs: Schema.Array(Schema.String) }
})

/** Which objects of ours a sweep is after. */
export type Selection = typeof Selection.Type

/** What the labels of an object of ours say. */
export interface Owner {
  readonly runId: string
  /** What it is for. Any text: another version of task-exec may have roles that this one does not know. */
  readonly role: string
  /** Unix time in milliseconds. */
  readonly deadline: number
  /** `HOST:PID` of the caller. */
  readonly creator: string
}

/**
 * - `Foreign`: not ours, or of a run that was not asked for.
 * - `Alive`: ours, and its run may still need it.
 * - `Leftover`: ours, and to go: past its deadline, or of a run that was asked for.
 * - `Unreadable`: its labels of task-exec are incomplete, so it must not be removed because of them.
 */
export type Verdict =
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Alive"; readonly owner: Owner }
  | { readonly _tag: "Leftover"; readonly owner: Owner }
  | { readonly _tag: "Unreadable"; readonly detail: string }

/** Decimal digits and nothing else; eleven of them last until the year 5138. */
const seconds = /^\d{1,11}$/

/** Judges an object by its labels. At its deadline it is still alive. */
export const judge = (labels: Readonly<Record<string, string>>, selection: Selection): Verdict => {
  const { [labelKeys.run]: runId, [labelKeys.role]: role, [labelKeys.creator]: creator } = labels
  const deadline = labels[labelKeys.deadline]
  if (runId === undefined) return { _tag: "Foreign" }
  if (selection._tag === "OfRuns" && !selection.runs.includes(runId)) return { _tag: "Foreign" }
  if (deadline === undefined) return unreadable(`label ${labelKeys.deadline} is missing`)
  if (!seconds.test(deadline)) {
    return unreadable(`label ${labelKeys.deadline} is not a time: ${JSON.stringify(deadline.slice(0, 40))}`)
  }
  if (runId === "") return unreadable(`label ${labelKeys.run} is empty`)
  if (role === undefined) return unreadable(`label ${labelKeys.role} is missing`)
  if (creator === undefined) return unreadable(`label ${labelKeys.creator} is missing`)
  const owner: Owner = { runId, role, deadline: Number(deadline) * 1000, creator }
  const isLeftover = selection._tag === "OfRuns" || selection.now > owner.deadline
  return { _tag: isLeftover ? "Leftover" : "Alive", owner }
}

const unreadable = (detail: string): Verdict => ({ _tag: "Unreadable", detail })
