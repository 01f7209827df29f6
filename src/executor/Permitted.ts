import * as Effect from "effect/Effect"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { checkPermission, denial } from "../policy/Permission.ts"
import type { ExecSpec } from "./ExecSpec.ts"
import type { ExecutorError } from "./ExecutorErrors.ts"
import { refusal } from "./Refusal.ts"

/**
 * Creates an exec, which runs nothing by itself, and fails if a policy forbids its command. An exec exists until its container ends. So the
 * policy is checked before the creation if it may forbid the command, and otherwise at the same time, which takes no longer.
 */
export const createPermitted = (
  engine: DockerEngineShape,
  spec: ExecSpec,
  create: Effect.Effect<string, ExecutorError>
): Effect.Effect<string, ExecutorError> =>
  Effect.suspend(() => {
    const { command, container, policy } = spec
    const wish = { _tag: "Run", command } as const
    const permission = checkPermission(engine, container, policy, wish).pipe(
      Effect.mapError((error) =>
        error._tag === "PolicyDenied" || error._tag === "ProtectedTarget" ? error : refusal(spec)(error)
      )
    )
    return denial(container, policy, wish) === undefined
      ? Effect.map(Effect.all([create, permission], { concurrency: 2 }), ([execId]) => execId)
      : Effect.andThen(permission, create)
  })
