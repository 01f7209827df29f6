/** Who is told of objects that can't be read. */
import * as Context from "effect/Context"
import type { UnexpectedReply } from "./EngineErrors.ts"

/** Is told of each object that is left out of an engine's list because it can't be read. Default: ignores them. */
export class UnreadObserver extends Context.Reference<(error: UnexpectedReply) => void>("task-exec/UnreadObserver", {
  defaultValue: () => () => undefined
}) {}
