import { copyFile, mkdir, mkdtemp, open, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { architectures, runtime, version } from "../../../adapters/image/Runtime.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-runtime-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

describe("the Node in the executable", () => {
  for (const arch of architectures) {
    it.effect(`${arch}: a modified file is rejected and named before it runs`, () =>
      Effect.gen(function* () {
        const cache = yield* folder
        const bin = join(cache, `node-linux-${arch}-${version}`, "bin")
        yield* Effect.promise(async () => {
          await mkdir(bin, { recursive: true })
          // A working Node with other bytes at its end.
          await copyFile(process.execPath, join(bin, "node"))
          const file = await open(join(bin, "node"), "r+")
          await file.write("tampered", (await file.stat()).size - 8)
          await file.close()
        })
        const error = yield* Effect.flip(runtime(arch, cache))
        assert.match(
          error.message,
          new RegExp(
            `^cannot use node-linux-${arch}@${version}: the SHA-256 of .* is [0-9a-f]{64}, but [0-9a-f]{64} is pinned`
          )
        )
      }).pipe(Effect.scoped)
    )
  }
})
