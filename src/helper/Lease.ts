/**
 * Extends the deadline of a run's objects while their caller lives, so that a sweep does not remove them. A command without a timeout, or
 * with a slow reader, may take longer than the first deadline.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { summaryOf } from "../engine/Hints.ts"
import type { AnyServiceSpec } from "../engine/RequestBodies.ts"
import { Swarm } from "../engine/Swarm.ts"
import { type Ownership, ownershipLabels, type Role } from "../Labels.ts"

/** Milliseconds before the deadline at which the deadline is moved. */
const ahead = 60_000
/** Milliseconds from the present to the new deadline. */
export const leaseTerm = 600_000

/** The roles of a service and of the secret that has its name. */
export interface LeaseRoles {
  readonly service: Role
  readonly secret: Role
}

/**
 * Moves the deadline of a service and its secret repeatedly, until it is interrupted. Only labels change, so Swarm does not replace the
 * task. Tries again after a failure, for which there is time because the deadline is a minute away.
 */
export const keepLease = Effect.fn("TaskExec.keepLease")(function* (
  spec: AnyServiceSpec,
  owner: Ownership,
  roles: LeaseRoles = { service: "helper", secret: "request" }
) {
  const swarm = yield* Swarm
  const moveTo = Effect.fnUntraced(function* (deadline: number) {
    const moved = { ...owner, deadline }
    const secret = yield* swarm.inspectSecret(spec.Name)
    yield* swarm.updateSecret(secret.ID, secret.Version.Index, {
      name: spec.Name,
      labels: ownershipLabels(moved, roles.secret)
    })
    const service = yield* swarm.inspectService(spec.Name)
    yield* swarm.updateService(service.ID, service.Version.Index, {
      ...spec,
      Labels: { ...spec.Labels, ...ownershipLabels(moved, roles.service) }
    })
    return deadline
  })
  let deadline = owner.deadline
  while (true) {
    const now = yield* Clock.currentTimeMillis
    yield* Effect.sleep(Math.max(deadline - ahead - now, 1000))
    deadline = yield* moveTo((yield* Clock.currentTimeMillis) + leaseTerm).pipe(
      Effect.catch((error) => Effect.succeed(summaryOf(error))),
      Effect.timeoutOrElse({
        duration: ahead / 4,
        orElse: () => Effect.succeed(`no response within ${ahead / 4000} s`)
      }),
      Effect.flatMap((moved) =>
        typeof moved === "number"
          ? Effect.succeed(moved)
          : Effect.as(Effect.logDebug(`cannot move the deadline of ${spec.Name}: ${moved}`), deadline)
      )
    )
  }
})
