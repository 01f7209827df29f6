/** Whether a task runs the current spec of its service. */
import { isDeepStrictEqual } from "node:util"

/**
 * Compares the spec of a task with the `TaskTemplate` of its service. They differ while an update is on its way, and where an update has
 * started no new task.
 */
export const isUpToDate = (spec: unknown, template: unknown): boolean =>
  isDeepStrictEqual(comparable(spec), comparable(template))

/**
 * What makes Swarm replace a task. `Placement` does not: a task stays that is where a new placement would put it anyway. Engines up to
 * 28.5 show `Runtime` of services only.
 */
const comparable = (spec: unknown): unknown =>
  typeof spec === "object" && spec !== null ? { ...spec, Placement: undefined, Runtime: undefined } : spec
