import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"

/**
 * The target is a container of task-exec itself: an agent or a helper holds the engine's socket and its requests, which only the
 * Docker API may hand out. No command ran there, and no file was copied.
 *
 * @category errors
 * @since 0.2.0
 */
export class ProtectedTarget extends Schema.TaggedError<ProtectedTarget>()("ProtectedTarget", {
  /** Name of the task, or a prefix of the container's ID. */
  target: Schema.String,
  /** Host name of the node, where it is known. */
  node: Schema.optionalKey(Schema.String),
  /** What task-exec uses it for: `agent`, `helper`, `relay`, … */
  role: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    const { node, role, target } = this
    const where = node === undefined ? "" : ` on node ${node}`
    const article = /^[aeiou]/.test(role) ? "an" : "a"
    return `cannot run a command or copy files in ${target}${where}: it is ${article} ${role} of task-exec`
  }

  /** The next step. */
  get hint(): string {
    return 'To inspect it, use "docker exec" on that node.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}
