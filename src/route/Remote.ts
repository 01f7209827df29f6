/** What an Executor on another node reports when a command has no exit code. */
import * as Schema from "effect/Schema"
import { ExecutorError } from "../executor/ExecutorErrors.ts"
import { HelperRefused } from "./HelperErrors.ts"

/** The error in a `Failed` frame. */
export const RemoteError = Schema.Union([ExecutorError, HelperRefused])

/** The error in a `Failed` frame. */
export type RemoteError = typeof RemoteError.Type
