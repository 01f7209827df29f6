/** Where an entry of an archive belongs, below what the archive is of. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The archive holds what must not be unpacked: it would get outside the destination, or is no name of a file. */
export class UnsafeArchive extends Schema.TaggedError<UnsafeArchive>()("UnsafeArchive", {
  /** The entry's name. */
  entry: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the archive from the container is refused: ${JSON.stringify(this.entry)} ${this.detail}`
  }
}

/**
 * Returns the names from the archive's top down to an entry: none for the top itself. `top` is what the archive calls its top:
 * `.` for a directory's content, `/` for the root.
 */
export const namesTo = (entry: string, top: string): Result.Result<ReadonlyArray<string>, UnsafeArchive> => {
  const unsafe = (detail: string) => Result.fail(new UnsafeArchive({ entry, detail }))
  const names = entry.split("/").filter((name) => name !== "" && name !== ".")
  if (names.includes("..")) return unsafe("leads outside of the destination")
  if (names.some((name) => name.includes("\0"))) return unsafe("is no name of a file")
  // Names are bytes to an engine and text to us: two of them could become one.
  if (names.some((name) => name.includes("\uFFFD"))) return unsafe("is not UTF-8")
  if (top === "." || top === "/") return Result.succeed(names)
  const [first, ...rest] = names
  return first === top ? Result.succeed(rest) : unsafe(`is not below ${JSON.stringify(top)}, which was asked for`)
}
