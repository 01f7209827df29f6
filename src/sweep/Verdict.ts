/** Decides by an object's labels which run owns it, and whether it is a leftover. */
import * as Schema from "effect/Schema"
import { labelKeys } from "../Labels.ts"

/** The objects of task-exec that a sweep removes. */
export const Selection = Schema.TaggedUnion({
  /** Objects past their deadline at this Unix time in milliseconds. */
  PastDeadline: { now: Schema.Finite },
  /** All objects of these runs (by ID), whatever their deadline, and no others. */
  OfRuns: { runs: Schema.Array(Schema.String) }
})

/** The objects of task-exec that a sweep removes. */
export type Selection = typeof Selection.Type

/** The owner of an object, as its labels name it. */
export interface Owner {
  readonly runId: string
  /** The object's role. Can be any text, because other versions of task-exec may have other roles. */
  readonly role: string
  /** Unix time in milliseconds. */
  readonly deadline: number
  /** `HOST:PID` of the caller. */
  readonly creator: string
}

/**
 * The verdict about an object:
 * - `Foreign`: not an object of task-exec, or of a run that is not selected.
 * - `Alive`: its run may still need it.
 * - `Leftover`: past its deadline, or of a selected run.
 * - `Unreadable`: its labels are incomplete, so it must not be removed.
 */
export type Verdict =
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Alive"; readonly owner: Owner }
  | { readonly _tag: "Leftover"; readonly owner: Owner }
  | { readonly _tag: "Unreadable"; readonly detail: string }

/** Unix time in seconds: up to eleven digits, which last until the year 5138. */
const seconds = /^\d{1,11}$/

/** Returns the verdict about an object with these labels. An object becomes a leftover after its deadline, not at it. */
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
