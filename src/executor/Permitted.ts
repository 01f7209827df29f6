/** Checks a request against the policy of its container. */
import * as Effect from "effect/Effect"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { oneOffRole } from "../Labels.ts"
import { checkPermission, denial } from "../policy/Permission.ts"
import type { Access } from "../policy/Policy.ts"
import { commandOf, type ExecSpec } from "./ExecSpec.ts"
import type { ExecutorError } from "./ExecutorErrors.ts"
import { refusal } from "./Refusal.ts"

/** The program whose entry in a policy allows toolboxes. */
const debugProgram = "debug"

/** Returns the access that a policy must allow for a spec. */
export const accessOf = (spec: ExecSpec): Access => {
  if (spec.toolbox === undefined) return { _tag: "Run", command: commandOf(spec) }
  return spec.toolbox._tag === "Debug"
    ? { _tag: "Run", command: [debugProgram] }
    : { _tag: "Forward", ports: spec.command.slice(1) }
}

/** Fails if the policy of the container denies the command, its toolbox, or one of the ports to forward. */
export const checkPermitted = (engine: DockerEngineShape, spec: ExecSpec): Effect.Effect<void, ExecutorError> =>
  checkPermission(
    engine,
    spec.container,
    spec.policy,
    accessOf(spec),
    spec.oneOff === undefined ? undefined : oneOffRole
  ).pipe(
    Effect.mapError((error) =>
      error._tag === "PolicyDenied" || error._tag === "ProtectedTarget" ? error : refusal(spec)(error)
    )
  )

/**
 * Creates an exec, which does not start its command yet, and fails if a policy forbids the command. An exec exists until its container
 * ends. So the policy is checked first if the caller knows that it may forbid the command. Otherwise it is checked at the same time, which
 * is faster.
 */
export const createPermitted = (
  engine: DockerEngineShape,
  spec: ExecSpec,
  create: Effect.Effect<string, ExecutorError>
): Effect.Effect<string, ExecutorError> =>
  Effect.suspend(() =>
    denial(spec.container, spec.policy, accessOf(spec)) === undefined
      ? Effect.map(Effect.all([create, checkPermitted(engine, spec)], { concurrency: 2 }), ([execId]) => execId)
      : Effect.andThen(checkPermitted(engine, spec), create)
  )
