/**
 * `task-exec/filesystem`: Effect's `FileSystem` over the files of a task. It rests on modules that Effect marks as unstable.
 *
 * Start with {@link layer}.
 */
export { layer, make } from "./filesystem/TaskFileSystem.ts"
