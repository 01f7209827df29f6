import { spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Stream from "effect/Stream"
import { findDestination, findSource } from "../../../adapters/cp/LocalPath.ts"
import { pack } from "../../../adapters/cp/Pack.ts"
import { unpack } from "../../../adapters/cp/Unpack.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "cp-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const archiveOf = (...entries: ReadonlyArray<Tar.Entry>) =>
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()))

/** Unpacks an archive of `top` as DIR/in/top. A file beside the destination must not change. */
const unpackIn = (dir: string, ...entries: ReadonlyArray<Tar.Entry>) => {
  mkdirSync(join(dir, "in"), { recursive: true })
  mkdirSync(join(dir, "outside"), { recursive: true })
  writeFileSync(join(dir, "outside", "file"), "untouched")
  const options = { top: "top", root: join(dir, "in", "top"), keepRoot: false, owners: false }
  return unpack(archiveOf(...entries), options)
}

const untouched = (dir: string) => {
  assert.strictEqual(readFileSync(join(dir, "outside", "file"), "utf8"), "untouched")
  assert.deepStrictEqual(spawnSync("ls", ["-A", join(dir, "outside")]).stdout.toString(), "file\n")
  assert.deepStrictEqual(spawnSync("ls", ["-A", dir]).stdout.toString(), "in\noutside\n")
}

describe("a hostile archive", () => {
  const top = Tar.directory("top")
  const cases: ReadonlyArray<readonly [string, (dir: string) => ReadonlyArray<Tar.Entry>, RegExp]> = [
    ["a name with ..", () => [top, Tar.file("top/../../outside/new", "x")], /leads outside/],
    ["the name ..", () => [Tar.directory("..")], /leads outside/],
    ["a name other than the requested one", () => [Tar.file("other", "x")], /not below "top"/],
    ["an absolute name", (dir) => [Tar.file(join(dir, "outside", "new"), "x")], /not below "top"/],
    [
      "a file through a link that leads outside",
      (dir) => [top, Tar.symlink("top/l", join(dir, "outside")), Tar.file("top/l/new", "x")],
      /passes through .*\/l, which is not a directory/
    ],
    [
      "a file through a link and a directory that lead outside",
      () => [top, Tar.symlink("top/l", "../../outside"), Tar.file("top/l/deep/new", "x")],
      /passes through/
    ],
    [
      "a file below a top that is a link",
      () => [Tar.symlink("top", "../outside"), Tar.file("top/new", "x")],
      /passes through .*\/top, which/
    ],
    [
      "a directory in the place of a link that leads outside",
      (dir) => [top, Tar.symlink("top/l", join(dir, "outside")), Tar.directory("top/l", { mode: 0o777 })],
      /not a directory, but the source is one/
    ],
    ["a hard link to a name with ..", () => [top, Tar.hardlink("top/h", "top/../../outside/file")], /leads outside/],
    ["a hard link to a file outside", (dir) => [top, Tar.hardlink("top/h", join(dir, "outside/file"))], /not below/],
    [
      "a hard link through a link",
      () => [top, Tar.symlink("top/l", "../../outside"), Tar.hardlink("top/h", "top/l/file")],
      /passes through/
    ],
    ["a name that is not UTF-8", () => [top, Tar.file("top/\uFFFD", "x")], /is not UTF-8/]
  ]
  for (const [what, entries, expected] of cases) {
    it.live(`is refused: ${what}`, () =>
      Effect.gen(function* () {
        const dir = yield* folder
        const error = yield* Effect.flip(unpackIn(dir, ...entries(dir)))
        assert.match(error.message, expected)
        untouched(dir)
      })
    )
  }

  it.live("a file replaces a link of its name, not the link's target", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      yield* unpackIn(dir, top, Tar.symlink("top/l", "../../outside/file"), Tar.file("top/l", "mine"))
      assert.strictEqual(readFileSync(join(dir, "in/top/l"), "utf8"), "mine")
      // The same attack through a hard link to the link.
      yield* unpackIn(
        dir,
        top,
        Tar.symlink("top/l", "../../outside/file"),
        Tar.hardlink("top/h", "top/l"),
        Tar.file("top/h", "mine", { mode: 0o777 })
      )
      untouched(dir)
    })
  )

  it.live("a truncated archive leaves no incomplete file", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      mkdirSync(join(dir, "in"))
      const whole = Buffer.concat(yield* Stream.runCollect(archiveOf(Tar.file("top", Buffer.alloc(100_000, "x")))))
      const options = { top: "top", root: join(dir, "in", "top"), keepRoot: false, owners: false }
      const cut = Stream.make(whole.subarray(0, 50_000))
      assert.strictEqual((yield* Effect.flip(unpack(cut, options)))._tag, "TarError")
      const broken = Stream.concat(cut, Stream.fail("gone"))
      assert.strictEqual(yield* Effect.flip(unpack(broken, options)), "gone")
      assert.isFalse(existsSync(options.root))
    })
  )
})

describe("files of this machine", () => {
  it.live("modes, times, links, long and odd names are kept; existing files are replaced", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const source = join(dir, "source")
      const deep = join(source, ...Array.from({ length: 30 }, (_, n) => `a-long-name-${n}`))
      mkdirSync(deep, { recursive: true })
      writeFileSync(join(deep, "ü\n'\" \\"), "deep")
      writeFileSync(join(source, "empty"), "")
      writeFileSync(join(source, "set-user-ID"), "x".repeat(100_000))
      chmodSync(join(source, "set-user-ID"), 0o4751)
      linkSync(join(source, "set-user-ID"), join(source, "z-same"))
      symlinkSync("../nowhere", join(source, "link"))
      mkdirSync(join(source, "read-only"))
      writeFileSync(join(source, "read-only", "file"), "in")
      chmodSync(join(source, "read-only"), 0o555)
      for (const name of ["empty", "read-only", "."]) utimesSync(join(source, name), 1e9, 1e9)
      // Node rounds this time to the next second in `Stats.mtime`.
      utimesSync(join(source, "set-user-ID"), 1e9, 1e9 + 0.9997)
      const found = yield* findSource(source, false)
      mkdirSync(join(dir, "copy"))
      writeFileSync(join(dir, "copy", "empty"), "not empty")
      const options = { top: "name", root: join(dir, "copy"), keepRoot: false, owners: false }
      yield* unpack(pack(found, "name"), options)
      const listing = (path: string) =>
        spawnSync(
          "sh",
          [
            "-c",
            "find . -printf '%P %y %m %n %l %Ts\\n' | sort; find . -type f | sort | xargs -d '\\n' sha256sum 2>&1 | grep -v \"[\\\"']\""
          ],
          { cwd: path }
        ).stdout.toString()
      assert.strictEqual(listing(options.root), listing(source))
      assert.strictEqual(readlinkSync(join(options.root, "link")), "../nowhere")
      assert.strictEqual(lstatSync(join(options.root, "z-same")).ino, lstatSync(join(options.root, "set-user-ID")).ino)
      chmodSync(join(source, "read-only"), 0o755)
      chmodSync(join(options.root, "read-only"), 0o755)
    })
  )

  it.live("an existing directory keeps its mode if only its content is copied", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      chmodSync(dir, 0o711)
      const options = { top: ".", root: dir, keepRoot: true, owners: false }
      yield* unpack(archiveOf(Tar.directory("./", { mode: 0o777 }), Tar.file("./a", "a")), options)
      assert.strictEqual(lstatSync(dir).mode & 0o777, 0o711)
      assert.strictEqual(readFileSync(join(dir, "a"), "utf8"), "a")
    })
  )

  it.live("a source is a file, a directory, or the target of a link that is followed or has a slash", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      mkdirSync(join(dir, "d"))
      writeFileSync(join(dir, "f"), "")
      symlinkSync("d", join(dir, "ld"))
      symlinkSync("f", join(dir, "lf"))
      const cases = [
        ["d", false, "d", true],
        ["d/", false, "d", true],
        ["d/.", false, ".", true],
        ["f", false, "f", false],
        ["ld", false, "ld", false],
        ["ld/", false, "ld", true],
        ["ld/.", false, ".", true],
        ["ld", true, "ld", true],
        ["lf", false, "lf", false],
        ["lf", true, "lf", false]
      ] as const
      for (const [path, followLink, name, isDirectory] of cases) {
        const { path: _, ...found } = yield* findSource(`${dir}/${path}`, followLink)
        assert.deepStrictEqual(found, { name, isDirectory }, path)
      }
      for (const [path, detail] of [
        ["none", "no such file or directory"],
        ["f/", "not a directory"],
        ["f/.", "not a directory"]
      ] as const) {
        assert.strictEqual((yield* Effect.flip(findSource(`${dir}/${path}`, false))).detail, detail)
      }
    })
  )

  it.live("a destination may be a link, and may be missing in an existing directory", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      mkdirSync(join(dir, "d"))
      writeFileSync(join(dir, "f"), "")
      symlinkSync("d", join(dir, "ld"))
      symlinkSync("lf2", join(dir, "lf"))
      symlinkSync("f", join(dir, "lf2"))
      symlinkSync("new", join(dir, "lnew"))
      symlinkSync("loop", join(dir, "loop"))
      const cases = [
        ["d", "d", "directory"],
        ["d/.", "d/.", "directory"],
        ["f", "f", "file"],
        ["ld", "d", "directory"],
        ["lf", "f", "file"],
        ["lnew", "new", undefined],
        ["new", "new", undefined],
        ["new/", "new/", undefined]
      ] as const
      for (const [path, at, is] of cases) {
        assert.deepStrictEqual(yield* findDestination(`${dir}/${path}`), { path: `${dir}/${at}`, is }, path)
      }
      for (const [path, message] of [
        ["none/new", /none: no such file or directory$/],
        ["f/", /f\/: not a directory$/],
        ["f/new", /not a directory$/],
        ["loop", /too many symbolic links$/]
      ] as const) {
        assert.match((yield* Effect.flip(findDestination(`${dir}/${path}`))).message, message)
      }
      assert.match((yield* Effect.flip(findDestination("/dev/null"))).message, /must be a directory or a regular file/)
    })
  )
})
