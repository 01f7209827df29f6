/** The path of an archive entry, relative to the top of the archive. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The archive has an entry that must not be unpacked: it would leave the destination, or its name is not a valid file name. */
export class UnsafeArchive extends Schema.TaggedError<UnsafeArchive>()("UnsafeArchive", {
  /** The entry's name. */
  entry: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `refused the archive from the container: ${JSON.stringify(this.entry)} ${this.detail}`
  }
}

/**
 * Returns the names from the top of the archive down to an entry, none for the top itself. `top` is the name of the top in the archive:
 * `.` for the content of a directory, `/` for the root.
 */
export const namesTo = (entry: string, top: string): Result.Result<ReadonlyArray<string>, UnsafeArchive> => {
  const unsafe = (detail: string) => Result.fail(new UnsafeArchive({ entry, detail }))
  const names = entry.split("/").filter((name) => name !== "" && name !== ".")
  if (names.includes("..")) return unsafe("leads outside the destination")
  if (names.some((name) => name.includes("\0"))) return unsafe("is not a valid file name")
  // Engines treat names as bytes: two different names could decode to the same text.
  if (names.some((name) => name.includes("\uFFFD"))) return unsafe("is not UTF-8")
  if (top === "." || top === "/") return Result.succeed(names)
  const [first, ...rest] = names
  return first === top ? Result.succeed(rest) : unsafe(`is not below ${JSON.stringify(top)}`)
}
