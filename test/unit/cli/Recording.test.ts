import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { openRecording, type RecordingOptions } from "../../../adapters/cli/Recording.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "task-exec-record-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true }))
)

const Header = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(2),
    width: Schema.Int,
    height: Schema.Int,
    timestamp: Schema.Int,
    command: Schema.String,
    env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  })
)
const Event = Schema.fromJsonString(Schema.Tuple([Schema.Finite, Schema.String, Schema.String]))

const read = (file: string) => {
  const [header = "", ...events] = readFileSync(file, "utf8").trimEnd().split("\n")
  return { header: Schema.decodeSync(Header)(header), events: events.map((line) => Schema.decodeSync(Event)(line)) }
}

const options = (file: string, size: RecordingOptions["size"]): RecordingOptions => ({
  file,
  size,
  command: "task-exec -it web",
  term: "xterm"
})

describe("a recording", () => {
  it.live("is an asciicast v2 file with all output and the terminal's sizes", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "session.cast")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const recording = yield* openRecording(options(file, { rows: 30, columns: 100 }))
          const euro = Buffer.from("€")
          recording.output("stdout", Buffer.concat([Buffer.from("a\r\n"), euro.subarray(0, 1)]))
          recording.output("stderr", Buffer.from("between"))
          recording.output("stdout", euro.subarray(1))
          recording.resized({ rows: 10, columns: 20 })
        })
      )
      const { events, header } = read(file)
      const { timestamp, ...rest } = header
      assert.deepStrictEqual(rest, {
        version: 2,
        width: 100,
        height: 30,
        command: "task-exec -it web",
        env: { TERM: "xterm" }
      })
      assert.isAtMost(Math.abs(timestamp * 1000 - Date.now()), 60_000)
      assert.deepStrictEqual(
        events.map(([, kind, text]) => [kind, text]),
        [
          ["o", "a\r\n"],
          ["o", "between"],
          ["o", "€"],
          ["r", "20x10"]
        ]
      )
      const times = events.map(([time]) => time)
      assert.deepStrictEqual(
        times,
        times.toSorted((a, b) => a - b)
      )
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
    }).pipe(Effect.scoped)
  )

  it.live("without a terminal shows lines as a terminal would", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "session.cast")
      yield* Effect.scoped(
        Effect.map(openRecording(options(file, undefined)), ({ output }) => output("stdout", Buffer.from("a\nb\n")))
      )
      const { events, header } = read(file)
      assert.deepStrictEqual([header.width, header.height], [80, 24])
      assert.deepStrictEqual(events.map(([, , text]) => text).join(""), "a\r\nb\r\n")
    }).pipe(Effect.scoped)
  )

  it.live("fails before anything runs if the file cannot be opened", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "none", "session.cast")
      const error = yield* Effect.flip(openRecording(options(file, undefined)))
      assert.strictEqual(error.message, `cannot access ${file}: no such file or directory`)
    }).pipe(Effect.scoped)
  )
})
