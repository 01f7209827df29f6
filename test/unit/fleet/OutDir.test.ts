import { mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeOutDir, namesOf } from "../../../adapters/fleet/OutDir.ts"
import type { FleetEvent } from "../../../src/fleet/FleetEvent.ts"
import { chosen, ended, exited, failed, started, stderr, stdout, task, webs } from "./Fixtures.ts"

const directory = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "out-dir-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

const write = (path: string, events: ReadonlyArray<FleetEvent>) =>
  Effect.scoped(Effect.flatMap(makeOutDir(path), ({ see }) => Effect.forEach(events, see)))

const read = (...path: ReadonlyArray<string>) => Effect.promise(() => readFile(join(...path), "latin1"))

const list = (path: string) => Effect.promise(async () => (await readdir(path)).sort())

/** This process's open files below the directory. */
const openIn = (path: string) =>
  Effect.promise(async () => {
    const found: Array<string> = []
    for (const fd of await readdir("/proc/self/fd")) {
      // The descriptor that reads the directory is closed by then.
      const target = await readlink(`/proc/self/fd/${fd}`).catch(() => "")
      if (target.startsWith(`${path}/`)) found.push(target.slice(path.length + 1))
    }
    return found.sort()
  })

describe("the output directory", () => {
  it.live("writes a file per task and stream, and none for tasks that were not started", () =>
    Effect.gen(function* () {
      const path = join(yield* directory, "not", "there")
      const [one, two, three] = webs(3)
      if (!one || !two || !three) return assert.fail()
      yield* write(path, [
        chosen([one, two, three]),
        started(one),
        started(two),
        stdout(one, "a"),
        stdout(two, Buffer.from([0xff, 0x00, 0x0a])),
        stderr(one, "!\n"),
        stdout(one, "b\n"),
        stdout(two, new Uint8Array(0)),
        ended(one),
        ended(two, exited(1)),
        ended(three, failed("c"))
      ])
      const names = ["web.1@node-1.err", "web.1@node-1.out", "web.2@node-2.err", "web.2@node-2.out"]
      assert.deepStrictEqual(yield* list(path), names)
      assert.deepStrictEqual(yield* Effect.forEach(names, (name) => read(path, name)), [
        "!\n",
        "ab\n",
        "",
        "\xff\x00\x0a"
      ])
    })
  )

  it.live("replaces files of an earlier run", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const [one] = webs(1)
      if (!one) return assert.fail()
      yield* Effect.promise(() => writeFile(join(path, "web.1@node-1.out"), "much longer than it will be"))
      yield* write(path, [chosen([one]), started(one), stdout(one, "short\n"), ended(one)])
      assert.strictEqual(yield* read(path, "web.1@node-1.out"), "short\n")
    })
  )

  it.live("keeps only files of running commands open", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const tasks = webs(3)
      const [one, two] = tasks
      if (!one || !two) return assert.fail()
      const use = Effect.gen(function* () {
        const { see } = yield* makeOutDir(path)
        yield* Effect.forEach([chosen(tasks), started(one), started(two), stdout(two, "kept"), ended(one)], see)
        assert.deepStrictEqual(yield* openIn(path), ["web.2@node-2.err", "web.2@node-2.out"])
        return yield* Effect.fail("broken")
      })
      assert.strictEqual(yield* Effect.flip(Effect.scoped(use)), "broken")
      assert.deepStrictEqual(yield* openIn(path), [])
      assert.strictEqual(yield* read(path, "web.2@node-2.out"), "kept")
    })
  )

  it.live("names the file in errors", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const [one] = webs(1)
      if (!one) return assert.fail()
      yield* Effect.promise(() => writeFile(join(path, "file"), ""))
      const noDirectory = yield* Effect.flip(write(join(path, "file", "below"), []))
      assert.match(noDirectory.message, /\/file\/below: not a directory/)
      const taken = join(path, "taken")
      yield* write(join(taken, "web.1@node-1.err"), [])
      const noFile = yield* Effect.flip(write(taken, [chosen([one]), started(one)]))
      assert.strictEqual(noFile._tag, "LocalFailed")
      assert.match(noFile.message, /\/web\.1@node-1\.err: illegal operation on a directory/)
      assert.deepStrictEqual(yield* openIn(taken), [])
      const full = yield* Effect.scoped(
        Effect.gen(function* () {
          const { see } = yield* makeOutDir(path)
          yield* see(chosen([one]))
          yield* Effect.promise(() => symlink("/dev/full", join(path, "web.1@node-1.out")))
          yield* see(started(one))
          return yield* Effect.flip(see(stdout(one, "x")))
        })
      )
      assert.match(full.message, /\/web\.1@node-1\.out: no space left on device/)
    })
  )

  it("makes unique names inside the directory", () => {
    const labels = [
      "web.2@node-1",
      "web.2@../../etc",
      ".web.2@n",
      "web.2@a%2Fb",
      "web.2@a/b",
      "web.2@é",
      `web.2@${"x".repeat(300)}`
    ]
    const same = [task("agent@twin"), { ...task("agent@twin"), id: "another id" }]
    const names = [...namesOf([...labels.map(task), ...same]).values()]
    assert.deepStrictEqual(names.slice(0, 6), [
      "web.2@node-1",
      "web.2@..%2F..%2Fetc",
      "%2Eweb.2@n",
      "web.2@a%252Fb",
      "web.2@a%2Fb",
      "web.2@%C3%A9"
    ])
    assert.deepStrictEqual(names.slice(-2), ["agent@twin~id%20of%20agent@twin", "agent@twin~another%20id"])
    assert.lengthOf(new Set(names), names.length)
    for (const name of names.slice(0, 6)) assert.isBelow(name.length, 250)
  })
})
