/** Observes objects that can't be decoded. */
import * as Context from "effect/Context"
import type { UnexpectedReply } from "./EngineErrors.ts"

/** Called with each object that is skipped in a list because it can't be decoded. Default: ignores them. */
export class UnreadObserver extends Context.Reference<(error: UnexpectedReply) => void>("task-exec/UnreadObserver", {
  defaultValue: () => () => undefined
}) {}
