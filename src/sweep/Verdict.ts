/** What the labels of an object say about it: whose it is, and whether it is past its deadline. */
import { labelKeys } from "../Labels.ts"

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
 * - `Foreign`: not ours.
 * - `Alive`: ours, and its run may still need it.
 * - `Expired`: ours, and past its deadline: nobody needs it any more.
 * - `Unreadable`: it has labels of ours that don't say enough; nobody may remove it on their word.
 */
export type Verdict =
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "Alive"; readonly owner: Owner }
  | { readonly _tag: "Expired"; readonly owner: Owner }
  | { readonly _tag: "Unreadable"; readonly detail: string }

/** Decimal digits and nothing else; eleven of them last until the year 5138. */
const seconds = /^\d{1,11}$/

/** Judges an object by its labels, at the Unix time `now` in milliseconds. At its deadline it is still alive. */
export const judge = (labels: Readonly<Record<string, string>>, now: number): Verdict => {
  const { [labelKeys.run]: runId, [labelKeys.role]: role, [labelKeys.creator]: creator } = labels
  const deadline = labels[labelKeys.deadline]
  if (runId === undefined) return { _tag: "Foreign" }
  if (deadline === undefined) return unreadable(`it has no label ${labelKeys.deadline}`)
  if (!seconds.test(deadline)) {
    return unreadable(`its label ${labelKeys.deadline} is no time: ${JSON.stringify(deadline.slice(0, 40))}`)
  }
  if (runId === "") return unreadable(`its label ${labelKeys.run} is empty`)
  if (role === undefined) return unreadable(`it has no label ${labelKeys.role}`)
  if (creator === undefined) return unreadable(`it has no label ${labelKeys.creator}`)
  const owner: Owner = { runId, role, deadline: Number(deadline) * 1000, creator }
  return { _tag: now > owner.deadline ? "Expired" : "Alive", owner }
}

const unreadable = (detail: string): Verdict => ({ _tag: "Unreadable", detail })
