import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { hostname, tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { withAuditFile } from "../../../adapters/audit/AuditFile.ts"
import { Audit, type AuditRecord } from "../../../src/audit/Audit.ts"
import { run } from "../../cluster/Command.ts"

const record: AuditRecord = {
  action: "copy",
  read: ["/a\nb"],
  written: [],
  target: { container: "c1" },
  route: "local",
  start: "then",
  end: "now",
  outcome: { copied: true },
  bytes: { out: 1, in: 0 }
}

/** A program that runs a command and exits with this code. */
const program = (code: number) =>
  Effect.gen(function* () {
    const audit = yield* Audit
    assert.isDefined(audit)
    yield* audit?.record(record) ?? Effect.void
    return code
  })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "audit-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

describe("the audit file", () => {
  it.live("is readable only for its owner, and gets a line per record", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "audit.jsonl")
      assert.strictEqual(yield* withAuditFile({ file, as: "deploy of \u2028 7" })(program(0)), 0)
      assert.strictEqual(yield* withAuditFile({ file })(program(3)), 3)
      const lines = (yield* Effect.promise(() => readFile(file, "utf8"))).split("\n")
      assert.lengthOf(lines, 3)
      const { uid, username: user } = userInfo()
      const { SUDO_USER: sudo } = process.env
      const who = { user, uid, ...(sudo === undefined ? {} : { sudo }), host: hostname() }
      assert.deepStrictEqual(
        lines.map((line) => (line === "" ? "" : JSON.parse(line))),
        [{ who: { ...who, as: "deploy of \u2028 7" }, ...record }, { who, ...record }, ""]
      )
      const { mode } = yield* Effect.promise(() => stat(file))
      assert.strictEqual(mode & 0o777, 0o600)
    })
  )

  it.live("prevents all runs if it cannot be opened", () =>
    Effect.gen(function* () {
      const here = yield* folder
      const fifo = join(here, "fifo")
      yield* run("mkfifo", [fifo])
      const plain = join(here, "plain")
      yield* Effect.promise(() => writeFile(plain, ""))
      for (const file of [join(here, "none", "file"), here, fifo, join(plain, "below"), ""]) {
        const error = yield* Effect.flip(withAuditFile({ file })(Effect.die("it was run")))
        assert.strictEqual(error._tag, "AuditFailed")
        assert.match(error.message, /^cannot open the audit file .*, so nothing was run: \w+/)
      }
    })
  )

  it.live("makes a successful run fail if it cannot be written, and keeps any other result", () =>
    Effect.gen(function* () {
      const audited = withAuditFile({ file: "/dev/full" })
      const error = yield* Effect.flip(audited(program(0)))
      assert.match(
        error.message,
        /^cannot write the audit file \/dev\/full, so the record is incomplete: no space left on device$/
      )
      assert.strictEqual(yield* audited(program(3)), 3)
      assert.strictEqual(yield* Effect.flip(audited(Effect.andThen(program(0), Effect.fail("its own")))), "its own")
    }).pipe(Effect.provide(Logger.layer([])))
  )
})
