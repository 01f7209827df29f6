/** Local paths of `cp`, by the rules of `docker cp`. */
import { lstat, readlink, realpath, stat } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { UnfitDestination } from "../../src/copy/CopyErrors.ts"
import { type CopyDestination, type CopySource, splitPath, withPathEnd } from "../../src/copy/CopyRules.ts"
import { ifThere, LocalFailed, onPath } from "../command/LocalFailed.ts"

/** A local source. */
export interface LocalSource extends CopySource {
  readonly path: string
}

/** Finds a local source. A path that ends in `/` or `/.` must be a directory. `followLink`: resolve a symbolic link. */
export const findSource = Effect.fnUntraced(function* (
  text: string,
  followLink: boolean
): Effect.fn.Return<LocalSource, LocalFailed> {
  const path = withPathEnd(resolve(text), text)
  const read = followLink ? yield* onPath(text, () => realpath(path)) : path
  const found = yield* onPath(text, () => lstat(read))
  return { path: read, name: splitPath(path).name, isDirectory: found.isDirectory() }
})

/** The most symbolic links that are followed. */
const maxLinks = 10

/** Finds a local destination and follows links. Its parent directory must exist. */
export const findDestination = Effect.fnUntraced(function* (
  text: string
): Effect.fn.Return<CopyDestination, LocalFailed | UnfitDestination> {
  let path = withPathEnd(resolve(text), text)
  for (let links = 0; links <= maxLinks; links++) {
    const at = path
    const found = yield* ifThere(text, () => lstat(at))
    if (found?.isDirectory()) return { path, is: "directory" }
    if (found?.isFile()) return { path, is: "file" }
    if (found === undefined) {
      const { directory } = splitPath(path)
      const parent = yield* onPath(directory, () => stat(directory))
      if (!parent.isDirectory()) return yield* new LocalFailed({ path: directory, detail: "not a directory" })
      return { path, is: undefined }
    }
    if (!found.isSymbolicLink()) {
      return yield* new UnfitDestination({ path: text, must: "a directory or a regular file" })
    }
    path = resolve(dirname(path), yield* onPath(text, () => readlink(at)))
  }
  return yield* new LocalFailed({ path: text, detail: "too many symbolic links" })
})
