/** Whether something may be done in a container: what its labels say, and what the caller knows of its task. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { allowLabel, allows, parsePolicy, type Wish } from "./Policy.ts"
import { PolicyDenied } from "./PolicyDenied.ts"

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

/** Fails where it may not be done, by what the engine says of the container and what the caller knows. */
export const checkPermission = Effect.fn("checkPermission")(function* (
  engine: Pick<DockerEngineShape, "inspectContainer">,
  container: string,
  { containerAllow: _, ...known }: TaskPolicy,
  wish: Wish
): Effect.fn.Return<void, PolicyDenied | EngineFailure> {
  const { Config } = yield* engine.inspectContainer(container)
  const containerAllow = Config.Labels[allowLabel]
  const denied = denial(container, { ...known, ...(containerAllow === undefined ? {} : { containerAllow }) }, wish)
  if (denied !== undefined) return yield* denied
})
