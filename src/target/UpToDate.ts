/** Whether a task runs the current spec of its service. */
import { isDeepStrictEqual } from "node:util"

/**
 * Compares the spec of a task with the `TaskTemplate` of its service. They differ during an update, and for a task that no update has
 * replaced.
 */
export const isUpToDate = (spec: unknown, template: unknown): boolean =>
  isDeepStrictEqual(comparable(spec), comparable(template))

/**
 * Returns the parts of a spec whose change makes Swarm replace a task. A new `Placement` alone does not: a task stays if its node fits the
 * new placement. Engines up to 28.5 report `Runtime` for services only.
 */
const comparable = (spec: unknown): unknown =>
  typeof spec === "object" && spec !== null ? { ...spec, Placement: undefined, Runtime: undefined } : spec
