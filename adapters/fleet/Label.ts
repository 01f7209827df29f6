/** The name of a task in a fan-out's output. */
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { printable } from "../Printable.ts"

/** `web.2@node-1`, `agent@node-1`; one line, see `printable`. */
export const labelOf = ({ name, node, slot }: ResolvedTask): string =>
  printable(slot === undefined ? name : `${name}@${node.hostname}`)
