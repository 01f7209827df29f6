/** Command lines: wrong usage, and durations. */
import { type ParseArgsConfig, parseArgs } from "node:util"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The command line is wrong: exit code 2. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Shortens the message with which `parseArgs` of `node:util` rejects a command line. */
const explainArgs = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  const [, option] = /^Unknown option '([^']+)'/.exec(text) ?? []
  const [, operand] = /^Unexpected argument '([^']+)'/.exec(text) ?? []
  if (option !== undefined) return `unknown option ${option}`
  if (operand !== undefined) return `unexpected argument ${operand}`
  return text.split(". ")[0] ?? text
}

/** Reads a command line with `parseArgs` of `node:util`. Fails with `UsageError`. */
export const readArgs = <const Config extends ParseArgsConfig>(config: Config) =>
  Effect.try({
    try: () => parseArgs(config),
    catch: (error) => new UsageError({ detail: explainArgs(error) })
  })

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Whether a text is a duration with a unit: `90s`, `1h30m`. */
export const hasUnits = (text: string): boolean => /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)

/** Reads a duration: `90`, `1.5`, `90s`, `500ms`, `5m`, `1h30m`. A number without a unit is in seconds. */
export const parseTime = (flag: string, text: string): Effect.Effect<Duration.Duration, UsageError> =>
  Effect.suspend(() => {
    if (/^\d+(?:\.\d+)?$/.test(text)) return Effect.succeed(Duration.seconds(Number(text)))
    if (!hasUnits(text)) {
      return new UsageError({ detail: `${flag} ${text}: use a number of seconds, or like 500ms, 90s, 5m, 1h30m` })
    }
    let millis = 0
    for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
      millis += Number(number) * (units[unit ?? ""] ?? 0)
    }
    return Effect.succeed(Duration.millis(millis))
  })
