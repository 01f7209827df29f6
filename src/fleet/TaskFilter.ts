/** What narrows a choice of tasks. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** What a task must be like. */
export type TaskFilter =
  /** A label of its service or its container has this value; without one, is there. */
  | { readonly _tag: "Label"; readonly key: string; readonly value: string | undefined }
  | { readonly _tag: "Node"; readonly node: string }
  /** A label of its node. */
  | { readonly _tag: "NodeLabel"; readonly key: string; readonly value: string | undefined }
  /** Swarm's state of the task. Without such a filter: `running`, as no other has a container to run something in. */
  | { readonly _tag: "State"; readonly state: string }

/** The text is no filter. */
export class InvalidFilter extends Schema.TaggedError<InvalidFilter>()("InvalidFilter", { text: Schema.String }) {
  override get message(): string {
    return `filter ${JSON.stringify(this.text)}: use label=KEY[=VALUE], node=HOST, node.label=KEY[=VALUE] or state=STATE`
  }
}

/** Reads `label=k=v`, `node=HOST`, `node.label=k=v`, `state=running`. */
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
