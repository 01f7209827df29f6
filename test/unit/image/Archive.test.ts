import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Stream from "effect/Stream"
import { makeArchive } from "../../../adapters/image/Archive.ts"

const large = Buffer.alloc(300_000, "large ")
const entries = () => [
  Tar.file("opt/app/b", "two"),
  Tar.directory("tmp/", { mode: 0o1777 }),
  Tar.file("opt/app/a", large, { mode: 0o755 }),
  Tar.file("etc/passwd", "root")
]

/** Path, mode and contents of each entry, in order. */
const contents = (chunks: ReadonlyArray<Uint8Array>) =>
  Stream.fromIterable(chunks).pipe(
    Stream.pipeThroughChannel(Tar.decode()),
    Stream.mapEffect(({ header, body }) =>
      Effect.map(Stream.runCollect(body), (parts) => ({
        path: header.path,
        mode: header.mode,
        mtime: header.mtime.getTime(),
        text: Buffer.concat(parts).toString()
      }))
    ),
    Stream.runCollect
  )

describe("Archive", () => {
  it.effect("is sorted, dated 1970, and contains the folders", () =>
    Effect.gen(function* () {
      const { chunks } = yield* makeArchive(entries())
      assert.deepStrictEqual(yield* contents(chunks), [
        { path: "etc/", mode: 0o755, mtime: 0, text: "" },
        { path: "etc/passwd", mode: 0o644, mtime: 0, text: "root" },
        { path: "opt/", mode: 0o755, mtime: 0, text: "" },
        { path: "opt/app/", mode: 0o755, mtime: 0, text: "" },
        { path: "opt/app/a", mode: 0o755, mtime: 0, text: large.toString() },
        { path: "opt/app/b", mode: 0o644, mtime: 0, text: "two" },
        { path: "tmp/", mode: 0o1777, mtime: 0, text: "" }
      ])
    })
  )

  it.effect("does not depend on the order of its entries, and has the hash of its bytes", () =>
    Effect.gen(function* () {
      const one = yield* makeArchive(entries())
      const other = yield* makeArchive(entries().toReversed())
      assert.isTrue(Buffer.concat(one.chunks).equals(Buffer.concat(other.chunks)))
      assert.strictEqual(one.sha256, other.sha256)
      assert.strictEqual(one.sha256, createHash("sha256").update(Buffer.concat(one.chunks)).digest("hex"))
    })
  )

  it.effect("differs if a byte or a mode differs", () =>
    Effect.gen(function* () {
      const variants = [
        [Tar.file("a", "x")],
        [Tar.file("a", "y")],
        [Tar.file("b", "x")],
        [Tar.file("a", "x", { mode: 0o755 })]
      ]
      const archives = yield* Effect.forEach(variants, makeArchive)
      assert.strictEqual(new Set(archives.map(({ sha256 }) => sha256)).size, variants.length)
    })
  )
})
