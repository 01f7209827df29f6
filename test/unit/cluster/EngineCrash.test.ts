import { assert, describe, it } from "@effect/vitest"
import { crashExcerpt } from "../../cluster/EngineCrash.ts"

const line = (text: string) => `time="2026-11-30T00:10:52.888364107Z" level=${text}`
const usual = [
  line('info msg="API listen on /run/docker.sock"'),
  line('error msg="fatal task error" error="task: non-zero exit (137)" service.id=panic'),
  line('warning msg="a service called panic: it is none"')
]

/** A panic as Go's runtime writes it, with more goroutines than are shown. */
const trace = (first: string) => [
  first,
  "",
  "goroutine 1 [running]:",
  ...Array.from({ length: 40 }, (_, at) => `\t/usr/lib/go/src/${at}`)
]

describe("a crash in an engine's log", () => {
  it("is not found in usual log lines", () => {
    assert.isUndefined(crashExcerpt(""))
    assert.isUndefined(crashExcerpt(`${usual.join("\n")}\n`))
  })

  for (const first of [
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "panic: (*logrus.Entry) 0xc0001a6310",
    "fatal error: concurrent map writes",
    "SIGABRT: abort",
    line('panic msg="tocommit(12) is out of range [lastIndex(9)]" module=raft'),
    line('error msg="http: panic serving @: runtime error: index out of range [0] with length 0"'),
    "2026/11/30 00:10:52 http2: panic serving @: runtime error: invalid memory address or nil pointer dereference"
  ])
    it(`is shown from its first line: ${first.slice(0, 60)}`, () => {
      const excerpt = crashExcerpt([...usual, ...trace(first), ...usual, ...trace("panic: another")].join("\n"))
      assert.strictEqual(excerpt, trace(first).slice(0, 12).join("\n"))
    })
})
