/** Checks whether an action in a container is permitted, by the container's labels and by what the caller knows about its task. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { type EngineFailure, isNotFound } from "../engine/EngineErrors.ts"
import { roleOf } from "../Labels.ts"
import { type Access, allowLabel, allows, forwardProgram, parsePolicy } from "./Policy.ts"
import { PolicyDenied, ProtectedTarget } from "./PolicyErrors.ts"
import type { TaskPolicy } from "./TaskPolicy.ts"

/** The variable `TASK_EXEC_DENY_DEFAULT` in the caller's environment. */
export const callerDeniesByDefault = Config.Boolean("TASK_EXEC_DENY_DEFAULT").pipe(Config.withDefault(false))

/** Adds the caller's default to a policy. */
export const withCallerDefault = (known: TaskPolicy, denies: boolean): TaskPolicy =>
  denies && known.denyDefault === undefined ? { ...known, denyDefault: "Caller" } : known

/**
 * Returns the error if an action is denied; `undefined` if it is allowed. If both the service and the container have the label, both must
 * allow the action. Without a label, the default decides. `isOfImage`: the container's label comes from its image. Such a label can deny an
 * action, but not allow it.
 */
export const denial = (
  container: string,
  known: TaskPolicy,
  access: Access,
  isOfImage = false
): PolicyDenied | undefined => {
  const { containerAllow, denyDefault, node, service, serviceAllow, task } = known
  const what = {
    container,
    ...(service === undefined ? {} : { service }),
    ...(task === undefined ? {} : { task }),
    ...(node === undefined ? {} : { node }),
    ...programOf(access)
  }
  const labels = [
    { stands: "ServiceLabel", policy: serviceAllow },
    { stands: "ContainerLabel", policy: containerAllow }
  ] as const
  for (const { policy, stands } of labels) {
    if (policy === undefined) continue
    const parsed = parsePolicy(policy)
    if (Result.isFailure(parsed)) {
      return new PolicyDenied({ ...what, stands, policy, problem: parsed.failure.message })
    }
    if (!allows(parsed.success, access)) return new PolicyDenied({ ...what, stands, policy })
  }
  const granted = serviceAllow ?? (isOfImage ? undefined : containerAllow)
  if (granted !== undefined || denyDefault === undefined) return undefined
  return new PolicyDenied({
    ...what,
    stands: denyDefault === "Node" ? "NodeDefault" : "CallerDefault",
    ...(containerAllow === undefined ? {} : { policy: containerAllow })
  })
}

const programOf = (access: Access): { readonly program?: string } => {
  switch (access._tag) {
    case "Copy":
      return {}
    case "Run":
      return { program: access.command[0] }
    case "Forward":
      return { program: [forwardProgram, ...access.ports].join(" ") }
  }
}

/**
 * Fails if the labels that the engine reports, or what the caller knows, deny the action. Always denies actions in containers of task-exec
 * itself.
 */
export const checkPermission = Effect.fn("checkPermission")(function* (
  engine: Pick<DockerEngineShape, "inspectContainer" | "inspectImage">,
  container: string,
  { containerAllow: own, ...known }: TaskPolicy,
  access: Access,
  /** A role of task-exec's own containers in which the action is allowed nevertheless. */
  except?: string
): Effect.fn.Return<void, PolicyDenied | ProtectedTarget | EngineFailure> {
  const { Config, Image } = yield* engine.inspectContainer(container)
  const role = roleOf(Config.Labels)
  if (role !== undefined && role !== except) {
    const { node, task: target = container.slice(0, 12) } = known
    return yield* new ProtectedTarget({ target, role, ...(node === undefined ? {} : { node }) })
  }
  const containerAllow = Config.Labels[allowLabel]
  // The managers know the label that the service gives its containers. A different label may come from the image. Inspect the image only if
  // that label decides.
  const decides = known.serviceAllow === undefined && known.denyDefault !== undefined
  const isOfImage =
    decides &&
    containerAllow !== undefined &&
    containerAllow !== own &&
    (yield* hasLabel(engine, Image, containerAllow))
  const facts = { ...known, ...(containerAllow === undefined ? {} : { containerAllow }) }
  const denied = denial(container, facts, access, isOfImage)
  if (denied !== undefined) return yield* denied
})

/** Whether an image has this label. An image that the engine no longer has counts as labeled, because the opposite can't be proved. */
const hasLabel = (engine: Pick<DockerEngineShape, "inspectImage">, image: string, value: string) =>
  engine.inspectImage(image).pipe(
    Effect.map(({ Config }) => Config.Labels[allowLabel] === value),
    Effect.catchIf(isNotFound, () => Effect.succeed(true))
  )
