/** Parses the times of log options, in the forms of `docker logs`. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The text is not a valid time. */
export class InvalidLogTime extends Schema.TaggedError<InvalidLogTime>()("InvalidLogTime", { text: Schema.String }) {
  override get message(): string {
    return `invalid time ${JSON.stringify(this.text)}: expected a duration such as 10m, a date such as 2026-01-31 or 2026-01-31T08:30:00Z, or Unix seconds`
  }
}

/** The units of durations, in milliseconds. */
const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000
}

const duration = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/
const date =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?$/
const unix = /^(\d{1,11})(?:\.(\d{1,9}))?$/

/** Returns `SECONDS.NANOSECONDS`, the form that engines accept (moby, `timestamp.GetTimestamp`). */
const format = (seconds: number, nanoseconds: string | number = ""): string =>
  `${seconds}.${typeof nanoseconds === "number" ? `${nanoseconds}`.padStart(9, "0") : nanoseconds.padEnd(9, "0")}`

/** Converts Unix milliseconds to `SECONDS.NANOSECONDS`. */
export const logTimeOf = (millis: number): string => {
  const seconds = Math.floor(millis / 1000)
  return format(seconds, Math.floor((millis - seconds * 1000) * 1e6))
}

/**
 * Parses a time, and returns it as `SECONDS.NANOSECONDS` since 1970. Accepts the forms of `docker logs`: a duration such as `1h30m`, which
 * is subtracted from `now` (Unix milliseconds); RFC 3339, also without seconds, minutes or time of day; Unix seconds. A time without a zone
 * is in the time zone of this process.
 */
export const parseLogTime = (text: string, now: number): Result.Result<string, InvalidLogTime> => {
  const invalid = Result.fail(new InvalidLogTime({ text }))
  if (duration.test(text)) {
    let millis = 0
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
      millis += Number(amount) * (units[unit ?? ""] ?? 0)
    }
    // Engines accept no time before 1970.
    return Result.succeed(logTimeOf(Math.max(0, now - millis)))
  }
  const seconds = unix.exec(text)
  if (seconds !== null) return Result.succeed(format(Number(seconds[1]), seconds[2]))
  const parts = date.exec(text)
  if (parts === null) return invalid
  const [, year, month, day, hour, minute, second, fraction, zone] = parts
  const at = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour ?? 0),
    Number(minute ?? 0),
    Number(second ?? 0)
  )
  // `Date` reads February 31 as March 3.
  const shown = new Date(at).toISOString()
  const wanted = `${year}-${month}-${day}T${hour ?? "00"}:${minute ?? "00"}:${second ?? "00"}.000Z`
  if (shown !== wanted || Number(year) < 1970) return invalid
  const millis = zone === undefined ? inThisZone(new Date(at)) : at - offsetOf(zone)
  return millis < 0 ? invalid : Result.succeed(format(millis / 1000, fraction))
}

/** Returns the offset of a time zone such as `+02:00`, in milliseconds. */
const offsetOf = (zone: string): number => {
  if (zone === "Z") return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4))
  return (zone.startsWith("-") ? -minutes : minutes) * 60_000
}

/** Returns the Unix milliseconds at which a local clock shows what a UTC clock shows at `date`. */
const inThisZone = (date: Date): number =>
  new Date(
    date.getUTCFullYear(),
    date.getUTCMonth(),
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds()
  ).getTime()
