/**
 * How far a node's clock is from ours, from time stamps that it set between two moments that we know.
 *
 * A node stamps the states of its tasks with its own clock (swarmkit, `agent/exec/controller.go`, `Do`). It did so after we
 * had made the service, and before we saw the state; each stamp bounds the difference, and all of them together bound it to
 * some tenths of a second, however long the image takes to arrive.
 */
import type { Task } from "../../src/engine/EngineSchemas.ts"
import type { Trouble } from "./Check.ts"

/** A time that the other clock told, and two of ours between which it did. Unix times in milliseconds. */
export interface Stamp {
  readonly theirs: number
  readonly after: number
  readonly before: number
}

/** Bounds of the other clock's lead over this one in milliseconds; negative if it is behind. */
export interface Offset {
  readonly least: number
  readonly most: number
}

/** A difference that a sweep would begin to feel, and half of what it leaves room for (see `Labels.ts`), in milliseconds. */
const warningAbove = 5000
const failsAbove = 60_000

/** Times are cut to milliseconds. */
const rounding = 1

/** What all stamps together say; `undefined` without any. */
export const offsetOf = (stamps: ReadonlyArray<Stamp>): Offset | undefined => {
  if (stamps.length === 0) return undefined
  const least = Math.max(...stamps.map(({ before, theirs }) => theirs - before)) - rounding
  const most = Math.min(...stamps.map(({ after, theirs }) => theirs - after)) + rounding
  // One of the clocks was set meanwhile: it was somewhere between the two.
  return least <= most ? { least, most } : { least: most, most: least }
}

/** The states whose stamps are the node's; those before are the leader's. */
const statesOfNode = new Set(["accepted", "preparing", "ready", "starting", "running", "complete", "failed"])

/** The stamp in a task's status, if its node set it. `after`: the service was made; `before`: the status was seen. */
export const stampOf = ({ Status }: Task, after: number, before: number): Stamp | undefined => {
  // A rejection with an error comes from the node.
  const isNodes = statesOfNode.has(Status.State) || (Status.State === "rejected" && Status.Err !== undefined)
  const theirs = Date.parse(Status.Timestamp)
  return isNodes && Number.isFinite(theirs) ? { theirs, after, before } : undefined
}

/** The least that the two can differ, in milliseconds. */
const surely = ({ least, most }: Offset): number => (least > 0 ? least : most < 0 ? -most : 0)

/** Is it bad? */
export const judgeOffset = (offset: Offset): "ok" | "warning" | "fails" => {
  const difference = surely(offset)
  return difference > failsAbove ? "fails" : difference > warningAbove ? "warning" : "ok"
}

const seconds = (millis: number): string => `${(Math.ceil(millis / 100) / 10).toFixed(1)} s`

/** In words. */
export const describeOffset = (offset: Offset, node: string): Trouble => {
  const { least, most } = offset
  const next = `set the clock of ${node} or of this machine (NTP): what a killed run leaves is removed by its deadline`
  if (surely(offset) === 0) {
    return { found: `within ${seconds(Math.max(-least, most))} of this machine's`, next }
  }
  const middle = (least + most) / 2
  const side = middle > 0 ? "ahead of" : "behind"
  const uncertainty = seconds((most - least) / 2)
  return {
    found: `${seconds(Math.abs(middle))} ${side} this machine's (±${uncertainty}, by stamps of its tasks)`,
    next
  }
}
