/** Whether something may be done in a container: what its labels say, and what the caller knows of its task. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { roleOf } from "../Labels.ts"
import { allowLabel, allows, parsePolicy, type Wish } from "./Policy.ts"
import { PolicyDenied } from "./PolicyDenied.ts"
import { ProtectedTarget } from "./ProtectedTarget.ts"
import type { TaskPolicy } from "./TaskPolicy.ts"

/** `TASK_EXEC_DENY_DEFAULT` of the caller's environment. */
export const callerDeniesByDefault = Config.Boolean("TASK_EXEC_DENY_DEFAULT").pipe(Config.withDefault(false))

/** The same with what the caller itself wants. */
export const withCallerDefault = (known: TaskPolicy, denies: boolean): TaskPolicy =>
  denies && known.denyDefault === undefined ? { ...known, denyDefault: "Caller" } : known

/**
 * Why something may not be done, if it may not. Where both labels are there, both must allow it. Where neither is, it may be
 * done unless somebody wants it otherwise.
 */
export const denial = (container: string, known: TaskPolicy, wish: Wish): PolicyDenied | undefined => {
  const { containerAllow, denyDefault, node, service, serviceAllow, task } = known
  const what = {
    container,
    ...(service === undefined ? {} : { service }),
    ...(task === undefined ? {} : { task }),
    ...(node === undefined ? {} : { node }),
    ...(wish._tag === "Copy" ? {} : { program: wish.command[0] })
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
    if (!allows(parsed.success, wish)) return new PolicyDenied({ ...what, stands, policy })
  }
  if (serviceAllow !== undefined || containerAllow !== undefined || denyDefault === undefined) return undefined
  return new PolicyDenied({ ...what, stands: denyDefault === "Node" ? "NodeDefault" : "CallerDefault" })
}

/**
 * Fails where it may not be done, by what the engine says of the container and what the caller knows. A container of task-exec
 * itself is refused whatever anybody knows of it.
 */
export const checkPermission = Effect.fn("checkPermission")(function* (
  engine: Pick<DockerEngineShape, "inspectContainer">,
  container: string,
  { containerAllow: _, ...known }: TaskPolicy,
  wish: Wish
): Effect.fn.Return<void, PolicyDenied | ProtectedTarget | EngineFailure> {
  const { Config } = yield* engine.inspectContainer(container)
  const role = roleOf(Config.Labels)
  if (role !== undefined) {
    const { node, task: target = container.slice(0, 12) } = known
    return yield* new ProtectedTarget({ target, role, ...(node === undefined ? {} : { node }) })
  }
  const containerAllow = Config.Labels[allowLabel]
  const denied = denial(container, { ...known, ...(containerAllow === undefined ? {} : { containerAllow }) }, wish)
  if (denied !== undefined) return yield* denied
})
