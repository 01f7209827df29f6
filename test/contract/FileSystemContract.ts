/** The contract of Effect's `FileSystem`, for the one of Effect for Node and for the one over a task. */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { FileSystem } from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import type { ContractCase } from "./ContractCase.ts"

/** A directory for the files of a test. */
export class Directory extends Context.Service<Directory, { readonly path: string }>()("task-exec/test/Directory") {}

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = <E>(stream: Stream.Stream<Uint8Array, E>) => Stream.mkString(Stream.decodeText(stream))

const tagOf = <A>(effect: Effect.Effect<A, PlatformError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => {
    assert.strictEqual(reason.module, "FileSystem")
    return reason._tag
  })

let directories = 0

/** A case with an empty directory of its own. */
const inDirectory = (
  name: string,
  check: (fs: FileSystem, dir: string) => Effect.Effect<void, unknown>
): ContractCase<FileSystem | Directory> => ({
  name,
  check: Effect.gen(function* () {
    const fs = yield* FileSystem
    const { path } = yield* Directory
    const dir = `${path}/${directories++}`
    yield* fs.makeDirectory(dir, { recursive: true })
    yield* check(fs, dir)
  })
})

/** Permissions of a file. */
const permissions = (mode: number): string => (mode & 0o7777).toString(8)

/** The cases. Each runs by itself. */
export const fileSystemContract = [
  inDirectory("a file is written, read and written again", (fs, dir) =>
    Effect.gen(function* () {
      const path = `${dir}/file`
      assert.isFalse(yield* fs.exists(path))
      yield* fs.writeFileString(path, "first, and long")
      assert.strictEqual(yield* fs.readFileString(path), "first, and long")
      yield* fs.writeFileString(path, "é\n")
      assert.deepStrictEqual(yield* fs.readFile(path), bytes("é\n"))
      yield* fs.writeFile(path, new Uint8Array())
      assert.deepStrictEqual([...(yield* fs.readFile(path))], [])
      assert.isTrue(yield* fs.exists(path))
      yield* fs.access(path, { readable: true })
    })
  ),
  inDirectory("two megabytes stay whole", (fs, dir) =>
    Effect.gen(function* () {
      const data = Uint8Array.from({ length: 2_000_001 }, (_, at) => (at * 7) % 251)
      yield* fs.writeFile(`${dir}/large`, data)
      assert.isTrue(Buffer.from(yield* fs.readFile(`${dir}/large`)).equals(data))
    })
  ),
  inDirectory("stat tells type, size, permissions and time", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFileString(`${dir}/file`, "12345")
      yield* fs.writeFileString(`${dir}/private`, "", { mode: 0o600 })
      const file = yield* fs.stat(`${dir}/file`)
      const own = yield* fs.stat(`${dir}/private`)
      const folder = yield* fs.stat(dir)
      assert.deepStrictEqual(
        [file, own, folder].map(({ mode, type }) => [type, permissions(mode)]),
        [
          ["File", "644"],
          ["File", "600"],
          ["Directory", "755"]
        ]
      )
      assert.strictEqual(Number(file.size), 5)
      assert.strictEqual(file.mode, 0o100644)
      assert.isTrue(Option.isSome(file.mtime))
    })
  ),
  inDirectory("a file that is written again keeps its permissions", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFileString(`${dir}/file`, "a", { mode: 0o640 })
      yield* fs.writeFileString(`${dir}/file`, "b", { mode: 0o600 })
      assert.strictEqual(permissions((yield* fs.stat(`${dir}/file`)).mode), "640")
    })
  ),
  inDirectory("a symbolic link leads to its target", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFileString(`${dir}/file`, "old")
      yield* fs.symlink("file", `${dir}/link`)
      assert.strictEqual(yield* fs.readLink(`${dir}/link`), "file")
      assert.strictEqual((yield* fs.stat(`${dir}/link`)).type, "File")
      assert.strictEqual((yield* fs.lstat(`${dir}/link`)).type, "SymbolicLink")
      assert.strictEqual(yield* fs.readFileString(`${dir}/link`), "old")
      yield* fs.writeFileString(`${dir}/link`, "new")
      assert.strictEqual(yield* fs.readFileString(`${dir}/file`), "new")
      assert.strictEqual((yield* fs.lstat(`${dir}/link`)).type, "SymbolicLink")
      assert.strictEqual(yield* tagOf(fs.symlink("file", `${dir}/link`)), "AlreadyExists")
      assert.strictEqual(yield* tagOf(fs.symlink("file", `${dir}/no/link`)), "NotFound")
      assert.strictEqual(yield* tagOf(fs.readLink(`${dir}/file`)), "Unknown")
    })
  ),
  inDirectory("a symbolic link without a target is no file yet", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.symlink(`${dir}/later`, `${dir}/link`)
      assert.isFalse(yield* fs.exists(`${dir}/link`))
      assert.strictEqual(yield* tagOf(fs.readFile(`${dir}/link`)), "NotFound")
      yield* fs.writeFileString(`${dir}/link`, "text")
      assert.strictEqual(yield* fs.readFileString(`${dir}/later`), "text")
    })
  ),
  inDirectory("a directory can be a symbolic link", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.makeDirectory(`${dir}/real`)
      yield* fs.symlink("real", `${dir}/link`)
      yield* fs.writeFileString(`${dir}/link/file`, "text")
      assert.strictEqual(yield* fs.readFileString(`${dir}/real/file`), "text")
      assert.deepStrictEqual(yield* fs.readDirectory(`${dir}/link`), ["file"])
      yield* fs.makeDirectory(`${dir}/link`, { recursive: true })
    })
  ),
  inDirectory("what is not there is not found", (fs, dir) =>
    Effect.gen(function* () {
      const path = `${dir}/none`
      const tags = yield* Effect.forEach(
        [
          fs.access(path),
          fs.stat(path),
          fs.lstat(path),
          fs.readFile(path),
          fs.readFileString(path),
          fs.readLink(path),
          fs.readDirectory(path),
          fs.readDirectoryEntries(path),
          fs.copyFile(path, `${dir}/copy`),
          fs.copy(path, `${dir}/copy`),
          fs.makeDirectory(`${path}/deep`),
          fs.writeFileString(`${path}/file`, "text"),
          Stream.runDrain(fs.stream(path)),
          Stream.run(Stream.make(bytes("text")), fs.sink(`${path}/file`))
        ],
        tagOf
      )
      assert.deepStrictEqual([...new Set(tags)], ["NotFound"])
    })
  ),
  inDirectory("a directory is no file, and a file no directory", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFileString(`${dir}/file`, "text")
      const tags = yield* Effect.forEach(
        [
          fs.readFile(dir),
          fs.writeFileString(dir, "text"),
          fs.readDirectory(`${dir}/file`),
          fs.writeFileString(`${dir}/file/below`, "text"),
          fs.makeDirectory(`${dir}/file/below`, { recursive: true })
        ],
        tagOf
      )
      assert.deepStrictEqual([...new Set(tags)], ["BadResource"])
    })
  ),
  inDirectory("the flag wx is for new files", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFileString(`${dir}/file`, "first", { flag: "wx" })
      assert.strictEqual(yield* tagOf(fs.writeFileString(`${dir}/file`, "second", { flag: "wx" })), "AlreadyExists")
      assert.strictEqual(yield* fs.readFileString(`${dir}/file`), "first")
    })
  ),
  inDirectory("directories are made, with those above if asked", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.makeDirectory(`${dir}/a`)
      assert.strictEqual(yield* tagOf(fs.makeDirectory(`${dir}/a`)), "AlreadyExists")
      yield* fs.makeDirectory(`${dir}/a/b/c`, { recursive: true })
      yield* fs.makeDirectory(`${dir}/a/b/c`, { recursive: true })
      yield* fs.makeDirectory(`${dir}/private`, { mode: 0o700 })
      assert.strictEqual((yield* fs.stat(`${dir}/a/b/c`)).type, "Directory")
      assert.strictEqual(permissions((yield* fs.stat(`${dir}/private`)).mode), "700")
      yield* fs.writeFileString(`${dir}/file`, "text")
      assert.strictEqual(yield* tagOf(fs.makeDirectory(`${dir}/file`, { recursive: true })), "AlreadyExists")
    })
  ),
  inDirectory("a directory lists what is in it", (fs, dir) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* fs.readDirectory(dir), [])
      yield* fs.makeDirectory(`${dir}/a/b`, { recursive: true })
      yield* fs.writeFileString(`${dir}/a/b/deep.txt`, "x".repeat(100_000))
      yield* fs.writeFileString(`${dir}/top.txt`, "text")
      yield* fs.symlink("top.txt", `${dir}/link`)
      assert.sameMembers(yield* fs.readDirectory(dir), ["a", "link", "top.txt"])
      assert.sameMembers(yield* fs.readDirectory(dir, { recursive: true }), [
        "a",
        "a/b",
        "a/b/deep.txt",
        "link",
        "top.txt"
      ])
      const entries = yield* fs.readDirectoryEntries(dir)
      assert.deepStrictEqual(Object.fromEntries(entries.map(({ name, type }) => [name, type])), {
        a: "Directory",
        link: "SymbolicLink",
        "top.txt": "File"
      })
      assert.sameMembers(yield* fs.glob("**/*.txt", { root: dir }), ["a/b/deep.txt", "top.txt"])
    })
  ),
  inDirectory("a copy of a file has its content and permissions", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFileString(`${dir}/file`, "text", { mode: 0o640 })
      yield* fs.writeFileString(`${dir}/copy`, "before", { mode: 0o600 })
      yield* fs.copyFile(`${dir}/file`, `${dir}/copy`)
      assert.strictEqual(yield* fs.readFileString(`${dir}/copy`), "text")
      yield* fs.copyFile(`${dir}/file`, `${dir}/new`)
      assert.strictEqual(permissions((yield* fs.stat(`${dir}/new`)).mode), "640")
      yield* fs.copy(`${dir}/file`, `${dir}/deep/er/new`)
      assert.strictEqual(yield* fs.readFileString(`${dir}/deep/er/new`), "text")
    })
  ),
  inDirectory("a copy of a directory has everything in it", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.makeDirectory(`${dir}/from/a`, { recursive: true })
      yield* fs.writeFileString(`${dir}/from/a/file`, "new")
      yield* fs.writeFileString(`${dir}/from/top`, "top")
      yield* fs.symlink("top", `${dir}/from/link`)
      yield* fs.copy(`${dir}/from`, `${dir}/to`)
      assert.strictEqual(yield* fs.readFileString(`${dir}/to/a/file`), "new")
      assert.strictEqual(yield* fs.readFileString(`${dir}/to/link`), "top")
      assert.strictEqual((yield* fs.lstat(`${dir}/to/link`)).type, "SymbolicLink")
    })
  ),
  inDirectory("a copy keeps files that are there, unless it may overwrite them", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.makeDirectory(`${dir}/from/a`, { recursive: true })
      yield* fs.writeFileString(`${dir}/from/a/file`, "new")
      yield* fs.writeFileString(`${dir}/from/more`, "more")
      yield* fs.makeDirectory(`${dir}/to/a`, { recursive: true })
      yield* fs.writeFileString(`${dir}/to/a/file`, "old")
      yield* fs.copy(`${dir}/from`, `${dir}/to`)
      assert.strictEqual(yield* fs.readFileString(`${dir}/to/a/file`), "old")
      assert.strictEqual(yield* fs.readFileString(`${dir}/to/more`), "more")
      yield* fs.copy(`${dir}/from/more`, `${dir}/to/a/file`)
      assert.strictEqual(yield* fs.readFileString(`${dir}/to/a/file`), "old")
      yield* fs.copy(`${dir}/from`, `${dir}/to`, { overwrite: true })
      assert.strictEqual(yield* fs.readFileString(`${dir}/to/a/file`), "new")
    })
  ),
  inDirectory("a copy has its own time, unless it keeps that of the file", (fs, dir) =>
    Effect.gen(function* () {
      const timeOf = (path: string) => Effect.map(fs.stat(path), ({ mtime }) => Option.getOrThrow(mtime).getTime())
      const before = yield* timeOf("/bin/sh")
      yield* fs.copy("/bin/sh", `${dir}/kept`, { preserveTimestamps: true })
      yield* fs.copy("/bin/sh", `${dir}/new`)
      if ((yield* fs.lstat("/bin/sh")).type === "SymbolicLink") return
      assert.isBelow(Math.abs((yield* timeOf(`${dir}/kept`)) - before), 1000)
      assert.isAbove(yield* timeOf(`${dir}/new`), before)
    })
  ),
  inDirectory("a stream has the file, or a part of it, in chunks", (fs, dir) =>
    Effect.gen(function* () {
      const path = `${dir}/file`
      yield* fs.writeFileString(path, "0123456789")
      assert.strictEqual(yield* textOf(fs.stream(path)), "0123456789")
      assert.strictEqual(yield* textOf(fs.stream(path, { offset: 2, bytesToRead: 5 })), "23456")
      assert.strictEqual(yield* textOf(fs.stream(path, { offset: 8, bytesToRead: 5 })), "89")
      assert.strictEqual(yield* textOf(fs.stream(path, { offset: 20 })), "")
      assert.strictEqual(yield* textOf(fs.stream(path, { bytesToRead: 0 })), "")
      const chunks = yield* Stream.runCollect(fs.stream(path, { chunkSize: 4 }))
      assert.deepStrictEqual(
        chunks.map(({ length }) => length),
        [4, 4, 2]
      )
      assert.strictEqual(yield* tagOf(Stream.runDrain(fs.stream(path, { chunkSize: -1 }))), "BadArgument")
    })
  ),
  inDirectory("a stream that is left early leaves the file system usable", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFile(`${dir}/large`, new Uint8Array(3_000_000))
      yield* Stream.runDrain(Stream.take(fs.stream(`${dir}/large`), 1))
      yield* fs.writeFileString(`${dir}/file`, "text")
      assert.strictEqual(yield* fs.readFileString(`${dir}/file`), "text")
    })
  ),
  inDirectory("a stream runs into a sink", (fs, dir) =>
    Effect.gen(function* () {
      yield* fs.writeFile(`${dir}/from`, new Uint8Array(1_000_000).fill(7))
      yield* Stream.run(fs.stream(`${dir}/from`), fs.sink(`${dir}/to`, { mode: 0o600 }))
      assert.isTrue(Buffer.from(yield* fs.readFile(`${dir}/to`)).equals(Buffer.alloc(1_000_000, 7)))
      assert.strictEqual(permissions((yield* fs.stat(`${dir}/to`)).mode), "600")
    })
  ),
  inDirectory("many operations run at the same time", (fs, dir) =>
    Effect.gen(function* () {
      const names = Array.from({ length: 6 }, (_, at) => `${dir}/${at}`)
      yield* Effect.forEach(names, (name) => fs.writeFileString(name, name), { concurrency: "unbounded" })
      yield* Effect.forEach(names, (name) => fs.copyFile(name, `${name}-copy`), { concurrency: "unbounded" })
      const texts = yield* Effect.forEach(names, (name) => fs.readFileString(`${name}-copy`), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(texts, names)
    })
  )
]
