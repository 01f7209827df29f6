/** Errors of local files. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reasonOf } from "../../src/engine/Hints.ts"

/** A local file cannot be read or written. */
export class LocalFailed extends Schema.TaggedError<LocalFailed>()("LocalFailed", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot access ${this.path}: ${this.detail}`
  }
}

/** Runs a file operation on a local path. Fails with `LocalFailed`. */
export const onPath = <A>(path: string, act: () => Promise<A>): Effect.Effect<A, LocalFailed> =>
  Effect.tryPromise({ try: act, catch: (error) => localFailed(path, error) })

/** Runs a file operation on a local path. Returns `undefined` if the path does not exist. */
export const ifThere = <A>(path: string, act: () => Promise<A>): Effect.Effect<A | undefined, LocalFailed> =>
  onPath(path, () => act().catch((error: unknown) => (codeOf(error) === "ENOENT" ? undefined : Promise.reject(error))))

/** Converts the error of a file operation, with the system's text. */
export const localFailed = (path: string, error: unknown): LocalFailed =>
  new LocalFailed({ path, detail: reasonOf(error) })

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)
