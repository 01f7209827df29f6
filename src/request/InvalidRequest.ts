import * as Schema from "effect/Schema"

/** A part of the request is invalid. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  detail: Schema.String
}) {
  override get message(): string {
    return `invalid request: ${this.detail}`
  }
}
