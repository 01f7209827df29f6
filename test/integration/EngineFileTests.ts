/** Tests of the archive requests: the files of a container. */
import { randomBytes } from "node:crypto"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { type EngineUnreachable, isNotFound } from "../../src/engine/EngineErrors.ts"
import { archiveOf, attached, awaitExit, type EngineMethods, sleeper, startExec } from "./EngineFixtures.ts"

/** Registers the tests, for any connection to the engine. */
export const engineFileTests = (it: EngineMethods) => {
  it.effect("describes, writes and reads files of a container", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const content = randomBytes(5_000_000)
      const entries = [
        Tar.directory("d", { mode: 0o750 }),
        Tar.file("d/file", content, { mode: 0o4711, uid: 12, gid: 34, mtime: new Date(1e12) }),
        Tar.symlink("d/link", "file")
      ]
      yield* engine.putArchive(id, "/tmp", archiveOf(entries), { copyUIDGID: false })

      const directory = yield* engine.statPath(id, "/tmp/d")
      assert.deepStrictEqual([directory.name, directory.mode], ["d", 2 ** 31 + 0o750])
      const file = yield* engine.statPath(id, "/tmp/d/file")
      // Go uses another bit for set-user-ID.
      assert.deepStrictEqual([file.size, file.mode, Date.parse(file.mtime)], [content.length, 2 ** 23 + 0o711, 1e12])
      const link = yield* engine.statPath(id, "/tmp/d/link")
      assert.deepStrictEqual([link.mode - 0o777, link.linkTarget], [2 ** 27, "/tmp/d/file"])
      assert.isTrue(isNotFound(yield* Effect.flip(engine.statPath(id, "/none"))))

      const read = yield* engine.getArchive(id, "/tmp/d/file")
      assert.deepStrictEqual(read.stat, file)
      const [found, ...more] = yield* read.content.pipe(
        Stream.pipeThroughChannel(Tar.decode<EngineUnreachable>()),
        Stream.mapEffect(({ body, header }) =>
          Effect.map(Stream.runCollect(body), (chunks) => ({ header, bytes: Buffer.concat(chunks) }))
        ),
        Stream.runCollect
      )
      assert.deepStrictEqual([found?.header.path, found?.header.mode, found?.header.uid], ["file", 0o4711, 12])
      assert.isTrue(found?.bytes.equals(content))
      assert.strictEqual(more.length, 0)
      assert.isTrue(isNotFound(yield* Effect.flip(engine.getArchive(id, "/none"))))
    })
  )

  it.effect("ends an upload that the engine refuses", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const put = <E>(path: string, content: Stream.Stream<Uint8Array, E>) =>
        engine.putArchive(id, path, content, { copyUIDGID: false })
      const endless = Stream.concat(
        archiveOf([Tar.file("file", "x")]),
        Stream.fromEffectRepeat(Effect.succeed(Buffer.alloc(65_536, "x")))
      )
      assert.isTrue(isNotFound(yield* Effect.flip(put("/none", endless))))
      assert.strictEqual((yield* Effect.flip(put("/etc/hostname", endless)))._tag, "EngineError")
      const nonsense = Stream.make(Buffer.alloc(100_000, "no archive "))
      assert.strictEqual((yield* Effect.flip(put("/tmp", nonsense)))._tag, "EngineError")
    })
  )

  it.effect("breaks a failed or interrupted upload off, so that it fails on the engine, too", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const beginning = Stream.take(archiveOf([Tar.file("file", Buffer.alloc(1_000_000))]), 1)
      const put = <E>(content: Stream.Stream<Uint8Array, E>) =>
        engine.putArchive(id, "/tmp", content, { copyUIDGID: false })
      assert.strictEqual(yield* Effect.flip(put(Stream.concat(beginning, Stream.fail("mine")))), "mine")
      const begun = yield* Latch.make()
      const endless = Stream.concat(
        Stream.concat(beginning, Stream.fromEffectDrain(Effect.sync(() => Latch.openUnsafe(begun)))),
        Stream.never
      )
      const fiber = yield* Effect.forkChild(put(endless))
      yield* begun.await
      yield* Fiber.interrupt(fiber)
      // The engine locks the container while it unpacks.
      assert.strictEqual((yield* engine.statPath(id, "/tmp")).name, "tmp")
    })
  )

  it.effect("holds back the engine if the consumer of files is slow", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const { id: exec, output } = yield* startExec(id, { ...attached, Cmd: ["truncate", "-s", "100G", "/tmp/huge"] })
      yield* Stream.runDrain(output)
      yield* awaitExit(exec)
      const first = yield* Effect.scoped(
        Effect.flatMap(engine.getArchive(id, "/tmp/huge"), ({ content }) => Stream.runHead(content))
      )
      assert.strictEqual(first._tag, "Some")
      assert.strictEqual((yield* engine.statPath(id, "/tmp/huge")).size, 100 * 1024 ** 3)
    })
  )
}
