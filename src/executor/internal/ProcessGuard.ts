/** A guard in a process on this machine, which survives its caller. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { imageCommands } from "../../ImageCommands.ts"
import { begunPrefix, GuardRequest, type Watch } from "../GuardProtocol.ts"
import { startGuardProcess } from "./GuardProcess.ts"

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(GuardRequest))

/**
 * Starts a guard; `undefined` without a shell or the program. It has no timeout: its caller is on the same machine.
 */
export const watchFromProcess = Effect.fnUntraced(function* ({ runs }: GuardRequest) {
  let mustAct = false
  const guard = yield* Effect.acquireRelease(
    startGuardProcess([imageCommands.guard, encodeRequest({ runs })]),
    // Without a word it takes its caller for gone.
    (guard) => Effect.suspend(() => guard?.letGo(!mustAct) ?? Effect.void)
  )
  if (guard === undefined) return undefined
  const takeOver = Effect.sync(() => {
    mustAct = true
  })
  return {
    begun: (runId) => Effect.sync(() => guard.tell(`${begunPrefix}${runId}`)),
    confirm: Effect.succeed(true),
    takeOver,
    letGo: Effect.as(guard.letGo(true), true)
  } satisfies Watch
})
