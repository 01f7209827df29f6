/** A guard in a process on this machine, which survives its caller. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { imageCommands } from "../../ImageCommands.ts"
import { GuardRequest, startedPrefix, type Watch } from "../GuardProtocol.ts"
import { startGuardProcess } from "./GuardProcess.ts"

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(GuardRequest))

/**
 * Starts a guard; `undefined` without a shell or the program. It has no timeout: its caller is on the same machine.
 */
export const watchFromProcess = Effect.fnUntraced(function* ({ runs }: GuardRequest) {
  let mustKill = false
  const guard = yield* Effect.acquireRelease(
    startGuardProcess([imageCommands.guard, encodeRequest({ runs })]),
    // A guard that is not released kills the runs.
    (guard) => Effect.suspend(() => guard?.close(!mustKill) ?? Effect.void)
  )
  if (guard === undefined) return undefined
  const killOnClose = Effect.sync(() => {
    mustKill = true
  })
  return {
    started: (runId) => Effect.sync(() => guard.send(`${startedPrefix}${runId}`)),
    confirm: Effect.succeed(true),
    killOnClose,
    release: Effect.as(guard.close(true), true)
  } satisfies Watch
})
