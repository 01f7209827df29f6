/** The errors of a copy. With each of them the copy is incomplete. */
import * as Schema from "effect/Schema"

/** A directory can't replace a file. */
export class CannotCopyDirectory extends Schema.TaggedError<CannotCopyDirectory>()("CannotCopyDirectory", {
  /** The path of the file. */
  to: Schema.String
}) {
  override get message(): string {
    return `can't copy a directory to ${this.to}, which is a file`
  }
}

/** The destination names a directory that does not exist. */
export class NoSuchDirectory extends Schema.TaggedError<NoSuchDirectory>()("NoSuchDirectory", { path: Schema.String }) {
  override get message(): string {
    return `no such directory: ${this.path}`
  }
}

/** The destination exists, and is neither a file nor a directory. */
export class UnfitDestination extends Schema.TaggedError<UnfitDestination>()("UnfitDestination", {
  path: Schema.String,
  /** What it must be. */
  must: Schema.String
}) {
  override get message(): string {
    return `destination ${this.path} must be ${this.must}`
  }
}

/** The path does not exist in the task's container. */
export class PathNotFound extends Schema.TaggedError<PathNotFound>()("PathNotFound", {
  task: Schema.String,
  node: Schema.String,
  path: Schema.String
}) {
  override get message(): string {
    return `no such file or directory: ${this.path} in the container of ${this.task} on node ${this.node}`
  }
}

/** The engine of the task's node could not copy all of it. */
export class CopyFailed extends Schema.TaggedError<CopyFailed>()("CopyFailed", {
  task: Schema.String,
  node: Schema.String,
  path: Schema.String,
  /** The engine's own words, or what is wrong with its answer. */
  reason: Schema.String
}) {
  override get message(): string {
    return `could not copy ${this.path} in the container of ${this.task} on node ${this.node}: ${this.reason}`
  }
}
