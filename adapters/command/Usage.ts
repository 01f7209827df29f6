/** Command lines: usage errors and durations. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The command line is invalid: exit code 2. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Lists alternatives: `a, b or c`. */
export const oneOf = (words: ReadonlyArray<string>): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Whether a text is a duration with a unit: `90s`, `1h30m`. */
export const hasUnits = (text: string): boolean => /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)

/** Reads a duration: `90`, `1.5`, `90s`, `500ms`, `5m`, `1h30m`. A number without a unit is in seconds. `name` is for messages: `timeout`. */
export const parseTime = (name: string, text: string): Effect.Effect<Duration.Duration, UsageError> =>
  Effect.suspend(() => {
    if (/^\d+(?:\.\d+)?$/.test(text)) return Effect.succeed(Duration.seconds(Number(text)))
    if (!hasUnits(text)) {
      return new UsageError({
        detail: `invalid ${name} ${JSON.stringify(text)}: expected a duration such as 90s or 5m`
      })
    }
    let millis = 0
    for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
      millis += Number(number) * (units[unit ?? ""] ?? 0)
    }
    return Effect.succeed(Duration.millis(millis))
  })
