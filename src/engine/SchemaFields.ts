/**
 * The fields from which the schemas of the Docker Engine API are built.
 *
 * Names are those of the API (https://docs.docker.com/reference/api/engine/), from engine 20.10 (API 1.41) to the newest. Other keys are
 * dropped. Versions of the engine differ in whether they write a zero, false or empty value as such, as `null`, or omit it (Go's
 * `omitempty`): `null` is removed before decoding, and an absent value decodes as zero, false or empty. Only names of objects and the
 * proof that a command ended are required. Times are RFC 3339 texts with nanoseconds; IDs have their full length.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A text; empty if absent. */
export const Text = Schema.String.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed("")))
/** An integer; 0 if absent. */
export const Count = Schema.Int.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(0)))
/** A boolean; false if absent. */
export const Flag = Schema.Boolean.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(false)))
/** A list of texts; empty if absent. */
export const Texts = Schema.Array(Schema.String).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed([])))
/** Labels; empty if absent. */
export const Labels = Schema.Record(Schema.String, Schema.String).pipe(
  Schema.withDecodingDefaultTypeKey(Effect.succeed({}))
)
/** An object whose fields task-exec does not read. */
export const Unknown = Schema.Unknown.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed({})))

/** The default of a part that an engine omits: its fields are empty. */
export const leftOut = Effect.succeed({})

/** Swarm's optimistic lock: an update must name the version that it changes. */
export const Version = Schema.Struct({ Index: Count })
/** The version of an object. */
export const ObjectVersion = Version.pipe(Schema.withDecodingDefaultKey(leftOut))
