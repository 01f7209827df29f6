/** Errors of local files. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A local file can't be read or written. */
export class LocalFailed extends Schema.TaggedError<LocalFailed>()("LocalFailed", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.detail}`
  }
}

/** Runs a file operation on a local path. Fails with `LocalFailed`. */
export const onPath = <A>(path: string, act: () => Promise<A>): Effect.Effect<A, LocalFailed> =>
  Effect.tryPromise({ try: act, catch: (error) => localFailed(path, error) })

/** Runs a file operation on a local path. Returns `undefined` if the path does not exist. */
export const ifThere = <A>(path: string, act: () => Promise<A>): Effect.Effect<A | undefined, LocalFailed> =>
  onPath(path, () => act().catch((error: unknown) => (codeOf(error) === "ENOENT" ? undefined : Promise.reject(error))))

/** Removes code and call from Node's message: `ENOENT: no such file or directory, open '…'`. */
export const localFailed = (path: string, error: unknown): LocalFailed => {
  const text = error instanceof Error ? error.message : String(error)
  return new LocalFailed({ path, detail: /^E[A-Z]+: (.*?), \w+/.exec(text)?.[1] ?? text })
}

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)
