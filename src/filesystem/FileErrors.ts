/** Converts the errors of files in a task's container to Effect's `PlatformError`. The error of task-exec is the `cause`. */
import type { TarError } from "effect/encoding/Tar"
import * as PlatformError from "effect/PlatformError"
import type { OpenTaskFilesError, TaskFilesError } from "../copy/TaskFiles.ts"

/** An operation of `FileSystem`, and its path. */
export interface Operation {
  readonly method: string
  readonly path: string
}

const module = "FileSystem"

/** Returns the error of an operation for which the file is of the wrong type or in the wrong state. */
export const refusal = (
  { method, path }: Operation,
  _tag: PlatformError.SystemErrorTag,
  description: string
): PlatformError.PlatformError =>
  PlatformError.systemError({ _tag, module, method, pathOrDescriptor: path, description })

/** Returns the error of a file that does not exist. */
export const notFound = (operation: Operation): PlatformError.PlatformError =>
  refusal(operation, "NotFound", "no such file or directory")

/** Returns the error of an invalid argument. */
export const invalid = (method: string, description: string): PlatformError.PlatformError =>
  PlatformError.badArgument({ module, method, description })

/** Returns the error of an operation, or of an option, that the archive API does not support. */
export const unsupported = (method: string, what = method): PlatformError.PlatformError =>
  invalid(method, `${what} is not supported over the archive API of Docker engines`)

/** Converts an error of access to a task's files. */
export const fromFiles = (
  { method, path }: Operation,
  error: OpenTaskFilesError | TaskFilesError | TarError
): PlatformError.PlatformError =>
  error._tag === "InvalidRequest" || error._tag === "InvalidTarget"
    ? PlatformError.badArgument({ module, method, description: error.message, cause: error })
    : PlatformError.systemError({
        _tag: tagOf(error),
        module,
        method,
        pathOrDescriptor: path,
        description: error.message,
        cause: error
      })

const tagOf = (error: OpenTaskFilesError | TaskFilesError | TarError): PlatformError.SystemErrorTag => {
  switch (error._tag) {
    case "PathNotFound":
    case "TaskNotFound":
      return "NotFound"
    case "PolicyDenied":
    case "ProtectedTarget":
      return "PermissionDenied"
    case "CopyFailed":
      // Only the engine's text has the reason.
      if (/no such file or directory/i.test(error.reason)) return "NotFound"
      if (/not a directory/i.test(error.reason)) return "BadResource"
      return /permission denied|read-only/i.test(error.reason) ? "PermissionDenied" : "Unknown"
    case "TarError":
      return "InvalidData"
    default:
      return "Unknown"
  }
}
