/** Who is told of objects that can't be read. */
import * as Context from "effect/Context"
import type { UnexpectedReply } from "./EngineErrors.ts"

/** Told of each object that a list of the engine's lacks because it can't be read; nobody unless it is provided. */
export class UnreadObserver extends Context.Reference<(error: UnexpectedReply) => void>("task-exec/UnreadObserver", {
  defaultValue: () => () => undefined
}) {}
