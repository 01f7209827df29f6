/**
 * `task-exec/process`: Effect's `ChildProcess` in the tasks of a swarm. It rests on `effect/process`, which Effect marks as unstable.
 *
 * Start with {@link layer}.
 */
export type { TaskProcessOptions } from "./process/CommandParts.ts"
export { layer, make } from "./process/TaskProcess.ts"
