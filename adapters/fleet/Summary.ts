/**
 * The summary of a fan-out in one line, and its exit code.
 *
 *     30 tasks: 28 succeeded, 1 exited with 3 (web.7@node-2), 1 failed (web.9@node-3: timed out after 30 s)
 */
import type { TaskOutcome } from "../../src/fleet/FleetEvent.ts"
import { foldNames } from "../../src/fleet/TaskSet.ts"
import { describeResult, exitCodeOfResult } from "./Outcome.ts"
import { labelOf } from "./Piece.ts"

/** The most characters of a list of tasks, and of a message. */
const maxList = 100
const maxMessage = 300
/** The most different messages in the summary. */
const maxMessages = 3

/** Returns the largest exit code of the tasks, or 0 without tasks. */
export const exitCodeOfAll = (outcomes: ReadonlyArray<TaskOutcome>): number =>
  outcomes.reduce((most, { result }) => Math.max(most, exitCodeOfResult(result)), 0)

/** Returns the summary line, without its end. */
export const summarize = (outcomes: ReadonlyArray<TaskOutcome>): string => {
  const { Detached, Exited, Failed, Skipped } = Object.groupBy(outcomes, ({ result }) => result._tag)
  const exited = [...groupBy(Exited ?? [], ({ result }) => exitCodeOfResult(result))].sort(([one], [two]) => one - two)
  const parts = [
    ...exited.map(([code, some]) =>
      code === 0 ? `${some.length} succeeded` : `${some.length} exited with ${code} (${nameTasks(some)})`
    ),
    ...(Detached === undefined ? [] : [`${Detached.length} started`]),
    ...(Failed === undefined ? [] : [`${Failed.length} failed (${explain(Failed)})`]),
    // "not started: deadline exceeded"
    ...[...groupBy(Skipped ?? [], ({ result }) => describeResult(result))].map(
      ([why, some]) => `${some.length} ${why} (${nameTasks(some)})`
    )
  ]
  const total = `${outcomes.length} ${outcomes.length === 1 ? "task" : "tasks"}`
  return parts.length === 0 ? total : `${total}: ${parts.join(", ")}`
}

/** `web.9@node-3: timed out …; web.[1-2]: …`, the most frequent message first. */
const explain = (failed: ReadonlyArray<TaskOutcome>): string => {
  const byMessage = [...groupBy(failed, ({ result }) => describeResult(result))]
  const shown = byMessage.sort(([, one], [, two]) => two.length - one.length).slice(0, maxMessages)
  const rest = byMessage.slice(maxMessages).reduce((sum, [, some]) => sum + some.length, 0)
  const texts = shown.map(([message, some]) => `${nameTasks(some)}: ${cut(message)}`)
  return [...texts, ...(rest === 0 ? [] : [`and ${rest} more`])].join("; ")
}

/** Names one task with its node, or several tasks in folded form, up to {@link maxList} characters. */
const nameTasks = (outcomes: ReadonlyArray<TaskOutcome>): string => {
  const [first, ...others] = outcomes
  if (first === undefined) return ""
  if (others.length === 0) return labelOf(first.task)
  const names = outcomes.map(({ task }) => task.name)
  const all = foldNames(names)
  if (all.length <= maxList) return all
  // Binary search for the most names that fit.
  let fits = 1
  let tooMany = names.length
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2)
    if (foldNames(names.slice(0, middle)).length <= maxList) fits = middle
    else tooMany = middle
  }
  return `${foldNames(names.slice(0, fits))} and ${names.length - fits} more`
}

const cut = (text: string): string => (text.length <= maxMessage ? text : `${text.slice(0, maxMessage - 1)}…`)

const groupBy = <K>(
  outcomes: ReadonlyArray<TaskOutcome>,
  keyOf: (outcome: TaskOutcome) => K
): ReadonlyMap<K, ReadonlyArray<TaskOutcome>> => Map.groupBy(outcomes, keyOf)
