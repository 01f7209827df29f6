/** A case of a contract about a service. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A case of a contract about a service. Cases may run at the same time. */
export interface ContractCase<R> {
  readonly name: string
  readonly check: Effect.Effect<void, unknown, R | Scope.Scope>
}
