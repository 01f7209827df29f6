/**
 * The grammar of targets. `Lookup.ts` finds them in the swarm.
 *
 *     web            the only running task of the service
 *     web.2          the task in slot 2
 *     web.k3x8…      a global service's task, by the name that `docker service ps` shows: its slot is its node's ID
 *     web@node-3     the service's task on that node (host name, node ID, or unique prefix of the ID)
 *     web.2@node-3   both
 *     k3x8…          task ID or container ID, or a unique prefix of one
 *     web.2.k3x8…    a task's container, by its name
 *     service/…  task/…  container/…   one kind only, if a name is ambiguous
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * A parsed target. `text` is what the user typed.
 *
 * @category models
 * @since 0.1.0
 */
export type Target =
  | {
      readonly _tag: "Service"
      readonly text: string
      readonly service: string
      readonly slot?: number
      /** The node's full ID in the position of the slot, as docker names the tasks of global services. */
      readonly slotNode?: string
      /** Host name, node ID, or unique prefix of the ID. */
      readonly node?: string
    }
  | { readonly _tag: "Task"; readonly text: string; readonly id: string }
  | { readonly _tag: "Container"; readonly text: string; readonly container: string }
  /** A service's name, or the ID of a service, a task or a container, or a unique prefix of such an ID. */
  | { readonly _tag: "Word"; readonly text: string; readonly word: string }

/**
 * The text is not a valid target.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidTarget extends Schema.TaggedError<InvalidTarget>()("InvalidTarget", {
  target: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return (
      `invalid target ${JSON.stringify(this.target)}: ${this.detail}. ` +
      "Use SERVICE, SERVICE.SLOT, SERVICE@NODE, a task ID or a container ID."
    )
  }
}

/** Swarm's own rule for the names of services (API reference, `ServiceSpec.Name`); stacks add underscores. */
const serviceName = /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?$/
/** A host name or a node ID. */
const nodeName = /^[^\s@/.][^\s@/]*$/
const nodeId = /^[a-z0-9]{25}$/
const taskId = /^[a-z0-9]{1,25}$/
/** An ID of fewer characters is unlikely to be unique. */
const containerId = /^[0-9a-f]{4,64}$/
/** Swarm names containers SERVICE.SLOT.TASK, or SERVICE.NODE.TASK for a global service. */
const containerName = /^\/?[a-zA-Z0-9][a-zA-Z0-9_-]*\.(?:\d+|[a-z0-9]{25})\.([a-z0-9]{1,25})$/

/** The ID of a task, or a prefix of it, in the name that Swarm gave to the task's container. */
export const taskIdIn = (container: string): string | undefined => containerName.exec(container)?.[1]

/**
 * Parses a target. Fails with `InvalidTarget`.
 *
 * **When to use**: to check what a user typed before you ask the swarm, and for `lookupTask`. Requests take targets as texts.
 *
 * @example
 * ```ts
 * import * as Result from "effect/Result"
 * import { parseTarget } from "task-exec"
 *
 * const target = Result.getOrThrow(parseTarget("web.2@node-3"))
 * ```
 *
 * @category targets
 * @since 0.1.0
 */
export const parseTarget = (text: string): Result.Result<Target, InvalidTarget> => {
  const invalid = (detail: string) => Result.fail(new InvalidTarget({ target: text, detail }))
  const slash = text.indexOf("/")
  const kind = slash > 0 ? text.slice(0, slash) : undefined
  const rest = slash > 0 ? text.slice(slash + 1) : text
  if (rest === "") return invalid("the name is empty")
  switch (kind) {
    case undefined:
      break
    case "service":
      return parseService(text, rest)
    case "task":
      return taskId.test(rest)
        ? Result.succeed({ _tag: "Task", text, id: rest })
        : invalid("a task ID consists of at most 25 lower-case letters and digits")
    case "container":
      return containerId.test(rest) || containerName.test(rest)
        ? Result.succeed({ _tag: "Container", text, container: rest })
        : invalid(
            "expected 4 to 64 hexadecimal digits of a container ID, or the name SERVICE.SLOT.TASK of a task's container"
          )
    default:
      return invalid(`unknown kind ${JSON.stringify(kind)}: expected service/, task/ or container/`)
  }
  if (containerName.test(rest)) return Result.succeed({ _tag: "Container", text, container: rest })
  if (rest.includes("@") || rest.includes(".")) return parseService(text, rest)
  if (serviceName.test(rest)) return Result.succeed({ _tag: "Word", text, word: rest })
  return invalid("it contains characters that are not allowed in names")
}

const parseService = (text: string, rest: string): Result.Result<Target, InvalidTarget> => {
  const invalid = (detail: string) => Result.fail(new InvalidTarget({ target: text, detail }))
  const at = rest.indexOf("@")
  const named = at < 0 ? rest : rest.slice(0, at)
  const node = at < 0 ? undefined : rest.slice(at + 1)
  const dot = named.indexOf(".")
  const service = dot < 0 ? named : named.slice(0, dot)
  const slotText = dot < 0 ? undefined : named.slice(dot + 1)
  if (!serviceName.test(service)) return invalid(`${JSON.stringify(service)} is not a service name`)
  if (slotText === "") return invalid("the slot after the dot is missing")
  if (node === "") return invalid("the node after @ is missing")
  if (node !== undefined && !nodeName.test(node)) return invalid(`${JSON.stringify(node)} is not a node name`)
  const isSlot = /^\d+$/.test(slotText ?? "")
  if (slotText !== undefined && !isSlot && !nodeId.test(slotText)) {
    const hint =
      node === undefined && nodeName.test(slotText) ? ` (for the task on a node, use ${service}@${slotText})` : ""
    return invalid(`${JSON.stringify(slotText)} is not a slot number${hint}`)
  }
  if (slotText !== undefined && !isSlot && node !== undefined)
    return invalid(`it names two nodes: ${slotText} and ${node}`)
  return Result.succeed({
    _tag: "Service",
    text,
    service,
    ...(slotText === undefined ? {} : isSlot ? { slot: Number(slotText) } : { slotNode: slotText }),
    ...(node === undefined ? {} : { node })
  })
}
