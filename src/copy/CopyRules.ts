/**
 * What `docker cp` makes of the two paths that it is given: which of them is in a container, which directory is unpacked into,
 * and under which name.
 *
 * A source that ends in `/.` is the content of a directory, not the directory. A destination that is a directory takes the source
 * under its own name; one that is not there yet is the source's new name.
 */
import * as Posix from "node:path/posix"
import * as Result from "effect/Result"
import { CannotCopyDirectory, NoSuchDirectory } from "./CopyErrors.ts"

/** A side of a copy: a path of this machine, or one in the container of a target. */
export interface CopyOperand {
  /** Undefined for a path of this machine, or `-`. */
  readonly target: string | undefined
  readonly path: string
}

/**
 * `TARGET:PATH`, or a path of this machine. One that has a `:` in its name is told from the former by its beginning, `/` or
 * `.`.
 */
export const parseOperand = (text: string): CopyOperand => {
  const at = text.indexOf(":")
  return at < 0 || text.startsWith("/") || text.startsWith(".")
    ? { target: undefined, path: text }
    : { target: text.slice(0, at), path: text.slice(at + 1) }
}

/** Does the path mean the content of a directory? */
export const meansContent = (path: string): boolean => Posix.basename(path) === "."

/** Does the path say that it is a directory? */
export const saysDirectory = (path: string): boolean => path.endsWith("/") || meansContent(path)

/** A path from the root of a container, with the `/` or `/.` at its end that mean something. */
export const fromRoot = (path: string): string => keepEnd(Posix.join("/", path), path)

/** What `path`'s end said, at the end of what it became. */
export const keepEnd = (cleaned: string, path: string): string => {
  const said = meansContent(path) ? "/." : path.endsWith("/") ? "/" : ""
  return `${cleaned.replace(/\/+$/, "")}${said}` || "/"
}

/** The directory that a path is in, and its name there; the name is `.` for a directory's content, and `/` for the root. */
export const splitPath = (path: string): { readonly directory: string; readonly name: string } => {
  const cleaned = Posix.normalize(path).replace(/(?<=.)\/$/, "")
  if (meansContent(path)) return { directory: cleaned, name: "." }
  return { directory: Posix.dirname(cleaned), name: Posix.basename(cleaned) || "/" }
}

/** What is to be copied. */
export interface CopySource {
  /** What a directory that it is put in is to call it; `.` and `/` for what has no name there, its content. */
  readonly name: string
  readonly isDirectory: boolean
}

/** Where it is to be copied. */
export interface CopyDestination {
  /** With all links at its end followed. */
  readonly path: string
  /** Undefined where nothing is yet. */
  readonly is: "directory" | "file" | undefined
}

/** What comes of the two. */
export interface CopyPlan {
  /** Where to unpack: it has to be there. */
  readonly directory: string
  /** What the source is called in there; `.` when its content is to be in the directory. */
  readonly name: string
}

/** Docker's rules for a source and a destination. */
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
  if (!source.isDirectory && saysDirectory(destination.path))
    return Result.fail(new NoSuchDirectory({ path: destination.path }))
  return Result.succeed({ directory, name })
}
