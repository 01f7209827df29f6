import * as Schema from "effect/Schema"

/**
 * The target is a container of task-exec itself: an agent or a helper holds the engine's socket and its requests, which only the
 * Docker API may hand out. No command ran there, and no file was copied.
 */
export class ProtectedTarget extends Schema.TaggedError<ProtectedTarget>()("ProtectedTarget", {
  /** Name of the task, or the beginning of the container's ID. */
  target: Schema.String,
  /** Host name of the node, where it is known. */
  node: Schema.optionalKey(Schema.String),
  /** What task-exec uses it for: `agent`, `helper`, `relay`, … */
  role: Schema.String
}) {
  override get message(): string {
    const { node, role, target } = this
    const where = node === undefined ? "" : ` on node ${node}`
    const article = /^[aeiou]/.test(role) ? "an" : "a"
    return `${target}${where} is ${article} ${role} of task-exec: no command runs and no file is copied there. To look into it, use docker exec on that node`
  }
}
