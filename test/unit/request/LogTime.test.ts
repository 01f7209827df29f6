import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { logTimeOf, parseLogTime } from "../../../src/request/LogTime.ts"

const now = Date.UTC(2026, 0, 31, 12, 0, 0)
const parse = (text: string) => Result.getOrUndefined(parseLogTime(text, now))
const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))
const seconds = now / 1000

describe("the times of logs", () => {
  it.each([
    ["10m", `${seconds - 600}.000000000`],
    ["1h30m", `${seconds - 5400}.000000000`],
    ["1.5s", `${seconds - 2}.500000000`],
    ["250ms", `${seconds - 1}.750000000`],
    ["2026-01-31T12:00:00Z", `${seconds}.000000000`],
    ["2026-01-31T12:00:00.5Z", `${seconds}.500000000`],
    ["2026-01-31T12:00:00.123456789Z", `${seconds}.123456789`],
    ["2026-01-31T14:00:00+02:00", `${seconds}.000000000`],
    ["2026-01-31T06:30-05:30", `${seconds}.000000000`],
    ["2026-01-31T12Z", `${seconds}.000000000`],
    ["2026-01-31Z", `${seconds - 43_200}.000000000`],
    ["1136073845", "1136073845.000000000"],
    ["1136073845.000000001", "1136073845.000000001"],
    ["0", "0.000000000"]
  ])("reads %s", (text, expected) => {
    assert.strictEqual(parse(text), expected)
  })

  it.each([
    ...["", "soon", "10", "10 m", "-5m", "5d", "2026-02-30", "2026-13-01", "2026-01-31T25:00:00Z", "1969-12-31"],
    ...["2026-01-31T12:00:60Z", "2026-01-31 12:00:00", "2026-01-31T12:00:00+25:00", "1e9", "1.0000000001", "NaN"]
  ])("refuses %j", (text) => {
    // A number is Unix seconds.
    if (text === "10") return assert.strictEqual(parse(text), "10.000000000")
    assert.strictEqual(parse(text), undefined)
  })

  it("takes a time without a zone in the zone of this process", () => {
    const local = new Date(2026, 5, 1, 8, 30, 15)
    assert.strictEqual(parse("2026-06-01T08:30:15"), `${local.getTime() / 1000}.000000000`)
    assert.strictEqual(parse("2026-06-01T08:30"), `${new Date(2026, 5, 1, 8, 30).getTime() / 1000}.000000000`)
    assert.strictEqual(parse("2026-06-01"), `${new Date(2026, 5, 1).getTime() / 1000}.000000000`)
  })

  const instant = between(0, Date.UTC(2200, 0, 1) / 1000)
  const two = (value: number) => `${value}`.padStart(2, "0")

  it.prop("reads every time that an engine writes before a line", [instant, between(0, 999_999_999)], ([at, nanos]) => {
    const digits = `${nanos}`.padStart(9, "0")
    assert.strictEqual(parse(`${new Date(at * 1000).toISOString().slice(0, 19)}.${digits}Z`), `${at}.${digits}`)
  })

  it.prop(
    "moves a time by the offset of its zone",
    [instant, Schema.Literals(["+", "-"]), between(0, 14), between(0, 59)],
    ([at, sign, hours, minutes]) => {
      const moved = at - (sign === "+" ? 1 : -1) * (hours * 3600 + minutes * 60)
      const text = `${new Date(at * 1000).toISOString().slice(0, 19)}${sign}${two(hours)}:${two(minutes)}`
      assert.strictEqual(parse(text), moved < 0 ? undefined : `${moved}.000000000`)
    }
  )

  it.prop("takes a duration as the time before now, to the millisecond", [between(0, 10 ** 10)], ([millis]) => {
    assert.strictEqual(parse(`${millis}ms`), logTimeOf(now - millis))
    assert.strictEqual(Number(logTimeOf(now - millis)).toFixed(3), ((now - millis) / 1000).toFixed(3))
  })

  const letters = Schema.Array(Schema.Literals([..."0123456789-:.TZ+hms"]))
  it.prop("returns no time before 1970 and does not throw, whatever the text is", [letters], ([some]) => {
    const found = parse(some.join(""))
    if (found !== undefined) assert.match(found, /^\d+\.\d{9}$/)
  })
})
