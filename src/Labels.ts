/**
 * The labels on every object that task-exec makes (services, secrets, containers), so that a leftover tells whose it
 * is and when it may be removed.
 */

/** Keys of the labels. */
export const labelKeys = {
  /** The run's ID. Whatever carries this label is ours. */
  run: "task-exec.run",
  /** What the object is for: `helper`, `request` or `killer`. */
  role: "task-exec.role",
  /** Unix time in seconds after which the object is a leftover. */
  deadline: "task-exec.deadline",
  /** Host name and process ID of the caller, as `HOST:PID`. */
  creator: "task-exec.creator"
} as const

/** What an object of ours is for. */
export type Role = "helper" | "request" | "killer"

/** Whose object it is, and until when it may be needed. */
export interface Ownership {
  readonly runId: string
  /** Unix time in milliseconds. */
  readonly deadline: number
  /** `HOST:PID` of the caller. */
  readonly creator: string
}

/** The labels of one object. */
export const ownershipLabels = (owner: Ownership, role: Role): Record<string, string> => ({
  [labelKeys.run]: owner.runId,
  [labelKeys.role]: role,
  [labelKeys.deadline]: String(Math.ceil(owner.deadline / 1000)),
  [labelKeys.creator]: owner.creator
})
