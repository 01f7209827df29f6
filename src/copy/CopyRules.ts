/**
 * The rules of `docker cp` for its two paths: which path is in a container, in which directory to unpack, and under which name.
 *
 * A source that ends in `/.` means the content of a directory. In a destination that is a directory, the source keeps its name. A
 * destination that does not exist becomes the new name of the source.
 */
import * as Posix from "node:path/posix"
import * as Result from "effect/Result"
import { CannotCopyDirectory, NoSuchDirectory } from "./CopyErrors.ts"

/** One side of a copy: a local path, or a path in the container of a target. */
export interface CopyOperand {
  /** `undefined` for a local path, and for `-`. */
  readonly target: string | undefined
  readonly path: string
}

/** Parses `TARGET:PATH`, or a local path. A local path with a colon must start with `/` or `.`. */
export const parseOperand = (text: string): CopyOperand => {
  const at = text.indexOf(":")
  return at < 0 || text.startsWith("/") || text.startsWith(".")
    ? { target: undefined, path: text }
    : { target: text.slice(0, at), path: text.slice(at + 1) }
}

/** Whether the path means the content of a directory. */
export const meansContent = (path: string): boolean => Posix.basename(path) === "."

/** Whether the end of the path says that it is a directory. */
export const endsAsDirectory = (path: string): boolean => path.endsWith("/") || meansContent(path)

/** Returns the absolute path in a container. Keeps a `/` or `/.` at its end, because both have a meaning. */
export const fromRoot = (path: string): string => withPathEnd(Posix.join("/", path), path)

/** Adds the `/` or `/.` at the end of `path` to its cleaned form. */
export const withPathEnd = (cleaned: string, path: string): string => {
  const end = meansContent(path) ? "/." : path.endsWith("/") ? "/" : ""
  return `${cleaned.replace(/\/+$/, "")}${end}` || "/"
}

/** Splits a path into its directory and its name. The name is `.` for a directory's content, and `/` for the root. */
export const splitPath = (path: string): { readonly directory: string; readonly name: string } => {
  const cleaned = Posix.normalize(path).replace(/(?<=.)\/$/, "")
  if (meansContent(path)) return { directory: cleaned, name: "." }
  return { directory: Posix.dirname(cleaned), name: Posix.basename(cleaned) || "/" }
}

/**
 * The source of a copy.
 *
 * @category copying
 * @since 0.2.0
 */
export interface CopySource {
  /** The name of the source in a destination that is a directory; `.` or `/` if only its content is copied. */
  readonly name: string
  readonly isDirectory: boolean
}

/** The destination of a copy. */
export interface CopyDestination {
  /** The path, after a symbolic link at its end was followed. */
  readonly path: string
  /** The type of the destination; `undefined` if it does not exist. */
  readonly is: "directory" | "file" | undefined
}

/** The directory to unpack a source in, and the name of the source there. */
export interface CopyPlan {
  /** The directory to unpack in. It must exist. */
  readonly directory: string
  /** The name of the source in that directory; `.` to unpack its content there. */
  readonly name: string
}

/** Applies Docker's rules to a source and a destination. Fails with `CannotCopyDirectory` or `NoSuchDirectory`. */
export const planCopy = (
  source: CopySource,
  destination: CopyDestination
): Result.Result<CopyPlan, CannotCopyDirectory | NoSuchDirectory> => {
  const { directory, name } = splitPath(destination.path)
  if (destination.is === "directory") {
    return Result.succeed({ directory: destination.path, name: source.name === "/" ? "." : source.name })
  }
  if (destination.is === "file" && source.isDirectory)
    return Result.fail(new CannotCopyDirectory({ to: destination.path }))
  if (!source.isDirectory && endsAsDirectory(destination.path))
    return Result.fail(new NoSuchDirectory({ path: destination.path }))
  return Result.succeed({ directory, name })
}
