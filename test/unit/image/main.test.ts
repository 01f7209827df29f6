import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const mainFile = fileURLToPath(new URL("../../../adapters/image/main.ts", import.meta.url))

/** Runs `npm run image --` with these arguments on a machine without an engine. */
const image = (...argv: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }>((resume) => {
    const env = { ...process.env, DOCKER_HOST: "unix:///nonexistent/docker.sock" }
    execFile(process.execPath, [mainFile, ...argv], { env }, (error, stdout, stderr) =>
      resume(Effect.succeed({ code: error === null ? 0 : error.code, stdout, stderr }))
    )
  })

/** Each run of Node takes seconds on a busy machine. */
const testTimeout = 120_000

describe("npm run image", () => {
  it.live(
    "prints its help",
    () =>
      Effect.gen(function* () {
        const { code, stdout, stderr } = yield* image("--help")
        assert.match(stdout, /^Usage: npm run image -- REF/)
        assert.deepStrictEqual([code, stderr], [0, ""])
      }),
    testTimeout
  )

  it.live(
    "exits with 2 and one line for wrong usage",
    () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [[], /^error: expected one REF, but got 0\. See .*\n$/],
          [["a", "b"], /^error: expected one REF, but got 2\. See .*\n$/],
          [["a", "--bsae", "b"], /^error: Unknown option '--bsae'.*\n$/],
          [["a", "--platform", "linux/s390x"], /^error: unknown platform "linux\/s390x": expected linux\/amd64, .*\n$/],
          [["a", "--platform", "linux/amd64"], /^error: --platform needs --push or --out: .*\n$/],
          [
            ["a", "--platform", "linux/amd64", "--base", "b"],
            /^error: --platform and --base cannot be combined\. See .*\n$/
          ],
          [["a", "--insecure"], /^error: --out and --insecure need --platform\. See .*\n$/],
          [["Upper:case"], /^error: cannot name an image "Upper:case": .*\n$/]
        ]
        const results = yield* Effect.forEach(cases, ([argv]) => image(...argv), { concurrency: 2 })
        results.forEach(({ code, stdout, stderr }, index) => {
          assert.match(stderr, cases[index]?.[1] ?? /^$/)
          assert.deepStrictEqual([code, stdout], [2, ""])
        })
      }),
    testTimeout
  )

  it.live(
    "exits with 1 and one line without a bundle or an engine",
    () =>
      Effect.gen(function* () {
        const { code, stdout, stderr } = yield* image("task-exec:test", "--base", "scratch")
        assert.match(
          stderr,
          /^error: (cannot find dist\/swarm-exec\.cjs: run "npm run build" first|cannot connect to .*)\n$/
        )
        assert.deepStrictEqual([code, stdout], [1, ""])
      }),
    testTimeout
  )
})
