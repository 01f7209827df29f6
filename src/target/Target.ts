/**
 * What the user names, as text: the grammar only. Finding it in the swarm is `Lookup.ts`.
 *
 *     web            the service's only running task
 *     web.2          the task in slot 2
 *     web@node-3     the service's task on that node (host name, node ID, or unique prefix of the ID)
 *     web.2@node-3   both
 *     k3x8…          task ID or container ID, or a unique prefix of one
 *     web.2.k3x8…    a task's container, by its name
 *     service/…  task/…  container/…   one kind only, where a name could mean two things
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** A target, taken apart. `text` is what the user typed. */
export type Target =
  | {
      readonly _tag: "Service"
      readonly text: string
      readonly service: string
      readonly slot?: number
      readonly node?: string
    }
  | { readonly _tag: "Task"; readonly text: string; readonly id: string }
  | { readonly _tag: "Container"; readonly text: string; readonly container: string }
  /** A bare word: a service's name, or the ID of a service, a task or a container, or a unique prefix of such an ID. */
  | { readonly _tag: "Word"; readonly text: string; readonly word: string }

/** The text is no target. */
export class InvalidTarget extends Schema.TaggedError<InvalidTarget>()("InvalidTarget", {
  target: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return (
      `invalid target ${JSON.stringify(this.target)}: ${this.detail} ` +
      "(use SERVICE, SERVICE.SLOT, SERVICE@NODE, a task ID or a container ID)"
    )
  }
}

/** Swarm's own rule for the names of services (API reference, `ServiceSpec.Name`); stacks add underscores. */
const serviceName = /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?$/
const slotted = /^([^.@]+)\.(\d+)$/
const containerName = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
const id = /^[a-z0-9]+$/

/** Takes a target apart, or says what is wrong with it. */
export const parseTarget = (text: string): Result.Result<Target, InvalidTarget> => {
  const invalid = (detail: string) => Result.fail(new InvalidTarget({ target: text, detail }))
  const slash = text.indexOf("/")
  const kind = slash > 0 ? text.slice(0, slash) : undefined
  const rest = slash > 0 ? text.slice(slash + 1) : text
  if (rest === "") return invalid("it is empty")
  switch (kind) {
    case undefined:
      break
    case "service":
      return parseService(text, rest)
    case "task":
      return id.test(rest)
        ? Result.succeed({ _tag: "Task", text, id: rest })
        : invalid("a task ID has lower-case letters and digits only")
    case "container":
      return containerName.test(rest)
        ? Result.succeed({ _tag: "Container", text, container: rest })
        : invalid("no container has such a name")
    default:
      return invalid(`unknown kind ${JSON.stringify(kind)}: only service/, task/ and container/`)
  }
  if (rest.includes("@") || slotted.test(rest)) return parseService(text, rest)
  if (serviceName.test(rest)) return Result.succeed({ _tag: "Word", text, word: rest })
  // Swarm names containers SERVICE.SLOT.TASK, or SERVICE.NODE.TASK for a global service.
  if (containerName.test(rest)) return Result.succeed({ _tag: "Container", text, container: rest })
  return invalid("it has characters that no name has")
}

const parseService = (text: string, rest: string): Result.Result<Target, InvalidTarget> => {
  const invalid = (detail: string) => Result.fail(new InvalidTarget({ target: text, detail }))
  const at = rest.indexOf("@")
  const named = at < 0 ? rest : rest.slice(0, at)
  const node = at < 0 ? undefined : rest.slice(at + 1)
  if (node === "") return invalid("no node after @")
  const [, base, slot] = slotted.exec(named) ?? []
  const service = base ?? named
  if (!serviceName.test(service)) return invalid(`${JSON.stringify(service)} is no service name`)
  return Result.succeed({
    _tag: "Service",
    text,
    service,
    ...(slot === undefined ? {} : { slot: Number(slot) }),
    ...(node === undefined ? {} : { node })
  })
}
