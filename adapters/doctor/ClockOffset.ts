/**
 * The difference between a node's clock and the caller's, from time stamps of the node between two known moments.
 *
 * A node stamps the states of its tasks with its own clock (swarmkit, `agent/exec/controller.go`, `Do`), after the caller created the
 * service and before the caller saw the state. Each stamp bounds the difference. All stamps together bound it to some tenths of a
 * second, however long the image takes to arrive.
 */
import type { Task } from "../../src/engine/SwarmSchemas.ts"
import type { Trouble } from "./Check.ts"

/** A time of the other clock, and the two times of the caller between which it was read. Unix times in milliseconds. */
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

/** Limits of the difference in milliseconds. A sweep allows for twice the second one (see `Labels.ts`). */
const warningAbove = 5000
const failsAbove = 60_000

/** Times are cut to milliseconds. */
const rounding = 1

/** Combines stamps. Returns `undefined` without stamps. */
export const offsetOf = (stamps: ReadonlyArray<Stamp>): Offset | undefined => {
  if (stamps.length === 0) return undefined
  const least = Math.max(...stamps.map(({ before, theirs }) => theirs - before)) - rounding
  const most = Math.min(...stamps.map(({ after, theirs }) => theirs - after)) + rounding
  // One of the clocks was set in the meantime: the difference is between the two.
  return least <= most ? { least, most } : { least: most, most: least }
}

/** The states that the node stamps. The leader stamps earlier states. */
const statesOfNode = new Set(["accepted", "preparing", "ready", "starting", "running", "complete", "failed"])

/** Returns the stamp in a task's status if its node set it. `after`: when the service was created; `before`: when the status was seen. */
export const stampOf = ({ Status }: Task, after: number, before: number): Stamp | undefined => {
  // A rejection with an error comes from the node.
  const isNodes = statesOfNode.has(Status.State) || (Status.State === "rejected" && Status.Err !== undefined)
  const theirs = Date.parse(Status.Timestamp)
  return isNodes && Number.isFinite(theirs) ? { theirs, after, before } : undefined
}

/** The smallest possible difference, in milliseconds. */
const leastDifference = ({ least, most }: Offset): number => (least > 0 ? least : most < 0 ? -most : 0)

/** Judges a difference. */
export const judgeOffset = (offset: Offset): "ok" | "warning" | "fails" => {
  const difference = leastDifference(offset)
  return difference > failsAbove ? "fails" : difference > warningAbove ? "warning" : "ok"
}

const seconds = (millis: number): string => `${(Math.ceil(millis / 100) / 10).toFixed(1)} s`

/** Describes a difference. */
export const describeOffset = (offset: Offset, node: string): Trouble => {
  const { least, most } = offset
  const next = `synchronize the clocks of ${node} and of the caller (NTP): leftovers are removed by their deadline`
  if (leastDifference(offset) === 0) {
    return { found: `within ${seconds(Math.max(-least, most))} of the caller's clock`, next }
  }
  const middle = (least + most) / 2
  const side = middle > 0 ? "ahead of" : "behind"
  const uncertainty = seconds((most - least) / 2)
  return {
    found: `${seconds(Math.abs(middle))} ${side} the caller's clock (±${uncertainty})`,
    next
  }
}
