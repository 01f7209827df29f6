/** An error as data, for a program that reads stderr. */

/**
 * Its tag and its fields, as the error's schema has them: names, numbers, and the engine's words. Its cause is left out: it is
 * not ours, and may be anything.
 */
export const errorData = (error: { readonly _tag: string }): Readonly<Record<string, unknown>> => {
  const { cause: _, ...fields } = { cause: undefined, ...error }
  return fields
}
