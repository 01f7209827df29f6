/** What a task is called in a fan-out's output. */
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"

/** `web.2@node-1`, `agent@node-1`. */
export const labelOf = ({ name, node, slot }: ResolvedTask): string =>
  slot === undefined ? name : `${name}@${node.hostname}`
