/** The errors of a copy. After each of them, the copy is incomplete. */
import * as Schema from "effect/Schema"

/**
 * A directory can't replace a file.
 *
 * @category errors
 * @since 0.1.0
 */
export class CannotCopyDirectory extends Schema.TaggedError<CannotCopyDirectory>()("CannotCopyDirectory", {
  /** The path of the file. */
  to: Schema.String
}) {
  override get message(): string {
    return `cannot copy a directory to ${this.to}: the destination is a file`
  }
}

/**
 * The destination names a directory that does not exist.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoSuchDirectory extends Schema.TaggedError<NoSuchDirectory>()("NoSuchDirectory", { path: Schema.String }) {
  override get message(): string {
    return `cannot copy to ${this.path}: no such directory`
  }
}

/**
 * The destination exists, but has the wrong type.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnfitDestination extends Schema.TaggedError<UnfitDestination>()("UnfitDestination", {
  path: Schema.String,
  /** What the destination must be. */
  must: Schema.String
}) {
  override get message(): string {
    return `cannot copy to ${this.path}: the destination must be ${this.must}`
  }
}

/**
 * The path does not exist in the task's container.
 *
 * @category errors
 * @since 0.1.0
 */
export class PathNotFound extends Schema.TaggedError<PathNotFound>()("PathNotFound", {
  task: Schema.String,
  node: Schema.String,
  path: Schema.String
}) {
  override get message(): string {
    return `cannot access ${this.task}:${this.path} on node ${this.node}: no such file or directory`
  }
}

/**
 * The engine of the task's node could not copy everything.
 *
 * @category errors
 * @since 0.1.0
 */
export class CopyFailed extends Schema.TaggedError<CopyFailed>()("CopyFailed", {
  task: Schema.String,
  node: Schema.String,
  path: Schema.String,
  /** The engine's text, or what is wrong with its response. */
  reason: Schema.String
}) {
  override get message(): string {
    return `cannot copy ${this.task}:${this.path} on node ${this.node}: ${this.reason}`
  }
}
