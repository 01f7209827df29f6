/** Filters for tasks. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * A condition that a task must meet.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskFilter =
  /** The task's service or container has this label, with this value if one is given. */
  | { readonly _tag: "Label"; readonly key: string; readonly value: string | undefined }
  | { readonly _tag: "Node"; readonly node: string }
  /** The task's node has this label. */
  | { readonly _tag: "NodeLabel"; readonly key: string; readonly value: string | undefined }
  /** The task has this state. Default: `running`, because other tasks have no running container. */
  | { readonly _tag: "State"; readonly state: string }

/**
 * The text is not a valid filter.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidFilter extends Schema.TaggedError<InvalidFilter>()("InvalidFilter", { text: Schema.String }) {
  override get message(): string {
    return `invalid filter ${JSON.stringify(this.text)}: expected label=KEY[=VALUE], node=HOST, node.label=KEY[=VALUE] or state=STATE`
  }
}

/**
 * Parses a filter for tasks: `label=KEY[=VALUE]`, `node=HOST`, `node.label=KEY[=VALUE]` or `state=STATE`. Fails with `InvalidFilter`.
 *
 * @example
 * ```ts
 * import * as Result from "effect/Result"
 * import { parseFilter } from "task-exec"
 *
 * const filters = [Result.getOrThrow(parseFilter("label=tier=front")), Result.getOrThrow(parseFilter("node.label=disk=ssd"))]
 * ```
 *
 * @category targets
 * @since 0.1.0
 */
export const parseFilter = (text: string): Result.Result<TaskFilter, InvalidFilter> => {
  const [, kind, rest = ""] = /^(label|node\.label|node|state)=(.+)$/.exec(text) ?? []
  const at = rest.indexOf("=")
  const pair = { key: at < 0 ? rest : rest.slice(0, at), value: at < 0 ? undefined : rest.slice(at + 1) }
  switch (kind) {
    case "label":
      return Result.succeed({ _tag: "Label", ...pair })
    case "node.label":
      return Result.succeed({ _tag: "NodeLabel", ...pair })
    case "node":
      return Result.succeed({ _tag: "Node", node: rest })
    case "state":
      return Result.succeed({ _tag: "State", state: rest })
    default:
      return Result.fail(new InvalidFilter({ text }))
  }
}
