import * as Schema from "effect/Schema"

/**
 * A part of the request is invalid. `detail` says which part and why. Nothing has run.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  detail: Schema.String
}) {
  override get message(): string {
    return `invalid request: ${this.detail}`
  }
}
