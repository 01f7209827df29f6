/** The files of one container, on any node. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { EngineError, type EngineFailure, EngineUnreachable, UnexpectedReply } from "../engine/EngineErrors.ts"
import type { PathStat } from "../engine/EngineSchemas.ts"
import { HelperRefused, UsernsRemapped } from "../helper/HelperErrors.ts"
import { checkPermission } from "../policy/Permission.ts"
import { PolicyDenied, ProtectedTarget } from "../policy/PolicyErrors.ts"
import type { TaskPolicy } from "../policy/TaskPolicy.ts"

/**
 * The connection to the helper or agent broke. The copy is incomplete; the files that arrived stay.
 *
 * @category errors
 * @since 0.1.0
 */
export class CopyLost extends Schema.TaggedError<CopyLost>()("CopyLost", {
  node: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `lost the connection to node ${this.node}: ${this.detail}; the copy is incomplete`
  }
}

/** The errors of access to files: those of the engine, and those of the route to it. */
export type FilesFailure =
  | EngineUnreachable
  | EngineError
  | UnexpectedReply
  | HelperRefused
  | UsernsRemapped
  | CopyLost
  | PolicyDenied
  | ProtectedTarget

/** Whether an error is a {@link FilesFailure}. */
export const isFilesFailure = (error: unknown): error is FilesFailure =>
  error instanceof EngineError ||
  error instanceof EngineUnreachable ||
  error instanceof UnexpectedReply ||
  error instanceof HelperRefused ||
  error instanceof UsernsRemapped ||
  error instanceof CopyLost ||
  error instanceof PolicyDenied ||
  error instanceof ProtectedTarget

/** Access to the files of one container: see `ArchiveRequests`. Requests run one after the other. */
export interface ContainerFiles<F = FilesFailure> {
  readonly statPath: (path: string) => Effect.Effect<PathStat, F>
  /** `content` ends only after all of it has arrived. Read it to its end before the next request. */
  readonly getArchive: (
    path: string
  ) => Effect.Effect<{ readonly stat: PathStat; readonly content: Stream.Stream<Uint8Array, F> }, F, Scope.Scope>
  /** Completes when the engine has unpacked all of the content. */
  readonly putArchive: <E>(
    path: string,
    content: Stream.Stream<Uint8Array, E>,
    options: { readonly copyUIDGID: boolean }
  ) => Effect.Effect<void, F | E>
}

/** Returns access to the files of a container of this engine. Fails if a policy forbids the copy. */
export const engineFiles = (
  engine: DockerEngineShape,
  container: string,
  policy: TaskPolicy
): Effect.Effect<ContainerFiles<EngineFailure>, EngineFailure | PolicyDenied | ProtectedTarget> =>
  Effect.as(checkPermission(engine, container, policy, { _tag: "Copy" }), {
    statPath: (path) => engine.statPath(container, path),
    getArchive: (path) => engine.getArchive(container, path),
    putArchive: (path, content, options) => engine.putArchive(container, path, content, options)
  })
