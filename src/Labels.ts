/**
 * The labels on every object that task-exec creates (services, secrets, networks, containers). They say to which run an object belongs, and
 * when it is a leftover that may be removed.
 */

import { hostname } from "node:os"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Keys of the labels. */
export const labelKeys = {
  /** The run's ID. Every object with this label belongs to task-exec. */
  run: "task-exec.run",
  /** The purpose of the object: a {@link Role}. */
  role: "task-exec.role",
  /** Unix time in seconds after which the object is a leftover. */
  deadline: "task-exec.deadline",
  /** Host name and process ID of the caller, as `HOST:PID`. */
  creator: "task-exec.creator"
} as const

/** The label of every object of the agents. Its value is the agents' version of task-exec. */
export const agentLabel = "task-exec.agent"

/** Returns the purpose of an object with these labels: a {@link Role} or `agent`; `undefined` if the object is not of task-exec. */
export const roleOf = (labels: Readonly<Record<string, string>>): string | undefined => {
  const { [agentLabel]: agent, [labelKeys.role]: role, [labelKeys.run]: run } = labels
  if (role !== undefined || run !== undefined) return role ?? "container"
  return agent === undefined ? undefined : "agent"
}

/** Milliseconds that a deadline adds to the time for which an object is needed: time to start, to kill and to remove. */
const leftoverMargin = 120_000
/** Milliseconds until the deadline of a run without a timeout. The caller moves that deadline while it lives. */
const withoutTimeout = 3600_000

/** The purpose of an object of task-exec. */
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

/** The role of a one-off task, its service and its secret. It is the only role whose containers run users' commands. */
export const oneOffRole = "one-off"

/** The run to which an object belongs, and the time until which the object may be needed. */
export interface Ownership {
  readonly runId: string
  /** Unix time in milliseconds. */
  readonly deadline: number
  /** `HOST:PID` of the caller. */
  readonly creator: string
}

/** Returns the ownership of an object of the same run that is needed for `millis` milliseconds from now. */
export const lastingFor = (owner: Ownership, millis: number): Effect.Effect<Ownership> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({ ...owner, deadline: now + millis + leftoverMargin }))

/** Returns the ownership of a new run with a timeout in milliseconds; `undefined`: without a timeout. */
export const makeOwnership = (timeout: number | undefined, runId = makeRunId()): Effect.Effect<Ownership> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    runId,
    deadline: now + (timeout ?? withoutTimeout) + leftoverMargin,
    creator: `${hostname()}:${process.pid}`
  }))

const runIdLength = 26

/**
 * Returns 26 random lower-case letters and digits, which are valid in every name of the engine. A run ID must be unique but is not secret:
 * processes and the swarm's objects show it. V8's random numbers suffice, and loading OpenSSL takes 5 to 10 ms.
 */
export const makeRunId = (): string =>
  Array.from({ length: runIdLength }, () => Math.floor(Math.random() * 36).toString(36)).join("")

/** Returns a unique name. By its name, an object can be removed even if the engine's response to its creation was lost. */
export const freshName = (role: Role): string => `task-exec-${role}-${makeRunId()}`

/** Returns the labels of an object. */
export const ownershipLabels = (owner: Ownership, role: Role): Record<string, string> => ({
  [labelKeys.run]: owner.runId,
  [labelKeys.role]: role,
  [labelKeys.deadline]: String(Math.ceil(owner.deadline / 1000)),
  [labelKeys.creator]: owner.creator
})
