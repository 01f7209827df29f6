/** Reads files of this machine for an image. */

import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** A file cannot be read. */
export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot read ${this.path}: ${this.detail}`
  }
}

const hasCode = Schema.is(Schema.Struct({ code: Schema.String }))

/** Returns the contents of a file, or `None` if the file does not exist. */
export const readIfThere = (path: string): Effect.Effect<Option.Option<Buffer>, FileUnreadable> =>
  Effect.tryPromise({ try: () => readFile(path), catch: (cause) => cause }).pipe(
    Effect.map(Option.some),
    Effect.catch((cause) =>
      hasCode(cause) && (cause.code === "ENOENT" || cause.code === "ENOTDIR")
        ? Effect.succeedNone
        : Effect.fail(new FileUnreadable({ path, detail: cause instanceof Error ? cause.message : String(cause) }))
    )
  )
