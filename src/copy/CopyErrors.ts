/** What can go wrong with a copy, told apart. None of these is a copy that is complete. */
import * as Schema from "effect/Schema"

/** A directory can't take the place of a file. */
export class CannotCopyDirectory extends Schema.TaggedError<CannotCopyDirectory>()("CannotCopyDirectory", {
  /** What is no directory. */
  to: Schema.String
}) {
  override get message(): string {
    return `can't copy a directory to ${this.to}, which is a file`
  }
}

/** The destination says that it is a directory, and there is none. */
export class NoSuchDirectory extends Schema.TaggedError<NoSuchDirectory>()("NoSuchDirectory", { path: Schema.String }) {
  override get message(): string {
    return `no such directory: ${this.path}`
  }
}

/** What is there can't be copied to. */
export class UnfitDestination extends Schema.TaggedError<UnfitDestination>()("UnfitDestination", {
  path: Schema.String,
  /** What it must be. */
  must: Schema.String
}) {
  override get message(): string {
    return `destination ${this.path} must be ${this.must}`
  }
}

/** There is nothing at that path in the task's container. */
export class PathNotFound extends Schema.TaggedError<PathNotFound>()("PathNotFound", {
  task: Schema.String,
  node: Schema.String,
  path: Schema.String
}) {
  override get message(): string {
    return `no such file or directory: ${this.path} in the container of ${this.task} on node ${this.node}`
  }
}

/** The engine of the task's node did not do it, or not all of it. */
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
