/** Amounts of tasks: `3`, or `25%`. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * A number of tasks, or a percentage of all tasks.
 *
 * @category models
 * @since 0.1.0
 */
export type Amount =
  | { readonly _tag: "Count"; readonly count: number }
  /** 0 to 100. */
  | { readonly _tag: "Percent"; readonly percent: number }

/**
 * The text is not a valid amount.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidAmount extends Schema.TaggedError<InvalidAmount>()("InvalidAmount", {
  text: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `invalid amount ${JSON.stringify(this.text)}: ${this.detail}`
  }
}

/**
 * Options of {@link parseAmount}.
 *
 * @category targets
 * @since 0.2.0
 */
export interface AmountRules {
  /** Whether zero is allowed. */
  readonly zero: boolean
}

/**
 * Parses a number of tasks, such as `3`, or a percentage, such as `25%`. Fails with `InvalidAmount`.
 *
 * @example
 * ```ts
 * import * as Result from "effect/Result"
 * import { parseAmount } from "task-exec"
 *
 * const parallel = Result.getOrThrow(parseAmount("25%", { zero: false }))
 * ```
 *
 * @category targets
 * @since 0.1.0
 */
export const parseAmount = (text: string, { zero }: AmountRules): Result.Result<Amount, InvalidAmount> => {
  const invalid = (detail: string) => Result.fail(new InvalidAmount({ text, detail }))
  const [, sign, digits = "", percent] = /^([-+]?)(\d+)(%?)$/.exec(text) ?? []
  const number = Number(digits)
  if (sign === undefined) return invalid("expected a number such as 3, or a percentage such as 25%")
  if (sign === "-" && number > 0) return invalid("expected 0 or more")
  if (number === 0 && !zero) return invalid("expected more than 0")
  if (percent === "%") {
    return number > 100 ? invalid("expected at most 100%") : Result.succeed({ _tag: "Percent", percent: number })
  }
  return Number.isSafeInteger(number) ? Result.succeed({ _tag: "Count", count: number }) : invalid("too large")
}

/** Returns the number of tasks out of `total`. Rounds a percentage up, so only 0% means no task. */
export const countOf = (amount: Amount, total: number): number => {
  if (amount._tag === "Count") return amount.count
  return amount.percent === 0 ? 0 : Math.max(1, Math.ceil((total * amount.percent) / 100))
}
