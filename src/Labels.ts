/**
 * The labels on every object that task-exec makes (services, secrets, containers), so that a leftover tells whose it
 * is and when it may be removed.
 */

import { hostname } from "node:os"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Keys of the labels. */
export const labelKeys = {
  /** The run's ID. Whatever carries this label is ours. */
  run: "task-exec.run",
  /** What the object is for, a {@link Role}. */
  role: "task-exec.role",
  /** Unix time in seconds after which the object is a leftover. */
  deadline: "task-exec.deadline",
  /** Host name and process ID of the caller, as `HOST:PID`. */
  creator: "task-exec.creator"
} as const

/** The label of everything that belongs to agents; its value is the version of task-exec that they are of. */
export const agentLabel = "task-exec.agent"

/** What task-exec uses an object with these labels for: a {@link Role} or `agent`. `undefined` for objects of others. */
export const roleOf = (labels: Readonly<Record<string, string>>): string | undefined => {
  const { [agentLabel]: agent, [labelKeys.role]: role, [labelKeys.run]: run } = labels
  if (role !== undefined || run !== undefined) return role ?? "container"
  return agent === undefined ? undefined : "agent"
}

/** How long after its deadline an object is surely a leftover, in milliseconds: room for start, grace and removal. */
const leftoverMargin = 120_000
/** The deadline of a run that has none itself, in milliseconds: it is moved as long as the caller lives. */
const withoutDeadline = 3600_000

/** What an object of ours is for. */
export type Role =
  | "helper"
  | "request"
  | "killer"
  | "guard"
  | "network"
  | "relay"
  | "sweeper"
  | "toolbox"
  | typeof oneOffRole

/** The role of a one-off task, its service and its secret: the only role whose containers run commands of users. */
export const oneOffRole = "one-off"

/** Whose object it is, and until when it may be needed. */
export interface Ownership {
  readonly runId: string
  /** Unix time in milliseconds. */
  readonly deadline: number
  /** `HOST:PID` of the caller. */
  readonly creator: string
}

/** Labels of the same run for an object that is needed for `millis` milliseconds from now. */
export const lastingFor = (owner: Ownership, millis: number): Effect.Effect<Ownership> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({ ...owner, deadline: now + millis + leftoverMargin }))

/** Labels of a new run that may take the given milliseconds; no limit if `undefined`. */
export const makeOwnership = (mayTake: number | undefined, runId = makeRunId()): Effect.Effect<Ownership> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    runId,
    deadline: now + (mayTake ?? withoutDeadline) + leftoverMargin,
    creator: `${hostname()}:${process.pid}`
  }))

const runIdLength = 26

/**
 * 26 lower-case letters and digits: valid in every name that the engine knows. It is no secret: the
 * processes and the swarm's objects show it. It must only be unique, and V8's random numbers suffice: loading OpenSSL takes 5 to 10 ms.
 */
export const makeRunId = (): string =>
  Array.from({ length: runIdLength }, () => Math.floor(Math.random() * 36).toString(36)).join("")

/** A unique name, by which an object can be removed even if the engine's answer to its creation got lost. */
export const freshName = (role: Role): string => `task-exec-${role}-${makeRunId()}`

/** The labels of one object. */
export const ownershipLabels = (owner: Ownership, role: Role): Record<string, string> => ({
  [labelKeys.run]: owner.runId,
  [labelKeys.role]: role,
  [labelKeys.deadline]: String(Math.ceil(owner.deadline / 1000)),
  [labelKeys.creator]: owner.creator
})
