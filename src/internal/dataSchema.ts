/** Schemas of the library's data, whose encoded values are JSON. */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/** Gives a schema the name of its type. Does not compile unless the schema encodes and decodes exactly the values of the type. */
export const dataOf =
  <A>() =>
  <S extends Schema.Codec<A, Schema.Json>>(
    schema: S & ([A] extends [S["Type"]] ? unknown : never)
  ): Schema.Codec<A, Schema.Json> =>
    schema

/** A value that may be `undefined`, which is encoded as `null`. */
export const orUndefined = <A, I>(schema: Schema.Codec<A, I>) =>
  Schema.NullOr(schema).pipe(
    Schema.decodeTo(Schema.UndefinedOr(Schema.toType(schema)), {
      decode: SchemaGetter.transform((value: A | null) => value ?? undefined),
      encode: SchemaGetter.transform((value: A | undefined) => value ?? null)
    })
  )
