/** What a caller knows of the permission to run something in a task. */
import * as Schema from "effect/Schema"

/**
 * What the engine of a task's node can't know, or need not be asked again: a worker can't look at a service. It travels with
 * the request. All of it is absent for a container that is no task's.
 */
export const TaskPolicy = Schema.Struct({
  /** Names for messages. */
  service: Schema.optionalKey(Schema.String),
  task: Schema.optionalKey(Schema.String),
  node: Schema.optionalKey(Schema.String),
  /** The service's label. It is none of the container's. */
  serviceAllow: Schema.optionalKey(Schema.String),
  /** The container's label as the managers know it: without what it has from its image. */
  containerAllow: Schema.optionalKey(Schema.String),
  /** Without any label nothing may be run: who wants it so. */
  denyDefault: Schema.optionalKey(Schema.Literals(["Caller", "Node"]))
})

/** What the engine of a task's node can't know, or need not be asked again. */
export type TaskPolicy = typeof TaskPolicy.Type
