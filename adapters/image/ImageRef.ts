/** Names of images: `task-exec`, `task-exec:1.2`, `registry.example:5000/team/task-exec:1.2`. */
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** The text is not a valid image name. */
export class InvalidImageRef extends Schema.TaggedError<InvalidImageRef>()("InvalidImageRef", {
  ref: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot name an image ${JSON.stringify(this.ref)}: ${this.detail}`
  }
  override get [Runtime.errorExitCode](): number {
    return 2
  }
}

/** A parsed image name. `parseImageRef` parses one, and `imageName` formats it. */
export interface ImageRef {
  /** With the registry, if the name has one: `registry.example:5000/team/task-exec`. */
  readonly repository: string
  readonly tag: string
}

const registry = /^(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|\[[0-9a-f:.]+\]|[a-z0-9-]+(?=:))(?::\d{1,5})?$/i
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^\w[\w.-]{0,127}$/
const longestRepository = 255

/** Docker's grammar for a name with an optional tag (default `latest`). */
export const parseImageRef = (ref: string): Result.Result<ImageRef, InvalidImageRef> => {
  const refuse = (detail: string) => Result.fail(new InvalidImageRef({ ref, detail }))
  if (ref === "") return refuse("empty name")
  if (ref.includes("@")) return refuse("expected a tag, not a digest")
  const colon = ref.indexOf(":", ref.lastIndexOf("/") + 1)
  const repository = colon === -1 ? ref : ref.slice(0, colon)
  const tag = colon === -1 ? "latest" : ref.slice(colon + 1)
  const [first = "", ...others] = repository.split("/")
  const path = others.length > 0 && registry.test(first) ? others : [first, ...others]
  const wrong = path.find((name) => !component.test(name))
  if (wrong === "") return refuse("a part of the name is empty")
  if (wrong !== undefined) {
    return refuse(
      `${JSON.stringify(wrong)} must consist of lower case letters and digits, with single . _ - between them`
    )
  }
  if (repository.length > longestRepository) return refuse(`longer than ${longestRepository} characters`)
  if (!tagPattern.test(tag)) {
    return refuse(`the tag ${JSON.stringify(tag)} must consist of at most 128 letters, digits and _ . -`)
  }
  return Result.succeed({ repository, tag })
}

/** Returns `repository:tag`. */
export const imageName = ({ repository, tag }: ImageRef): string => `${repository}:${tag}`
