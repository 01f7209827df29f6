/** An error as data, for programs that read stderr. */

/**
 * Returns the tag and the fields of an error's schema: names, numbers, and the engine's text. Leaves out the cause, which can
 * be any value.
 */
export const errorData = (error: { readonly _tag: string }): Readonly<Record<string, unknown>> => {
  const { cause: _, ...fields } = { cause: undefined, ...error }
  return fields
}
