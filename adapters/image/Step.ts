/** Steps of a build on this machine: their error and their folders. */
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A step of a build failed. */
export class NotPackaged extends Schema.TaggedError<NotPackaged>()("NotPackaged", {
  step: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot ${this.step}: ${this.detail}`
  }
}

/** Runs one step of a build. */
export const attempt = <A>(step: string, run: () => Promise<A>): Effect.Effect<A, NotPackaged> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => {
      const detail = cause instanceof Error ? cause.message : String(cause)
      return new NotPackaged({ step, detail: detail.trim().replaceAll("\n", "; ") })
    }
  })

/** Returns the path of a file of the project. */
export const inProject = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))

/** Makes a temporary folder, which is removed with the scope. */
export const scratch = (parent: string) =>
  Effect.acquireRelease(
    attempt("make a folder", async () => {
      await mkdir(parent, { recursive: true })
      return await mkdtemp(join(parent, "package-"))
    }),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
