import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { parseElf } from "../../../adapters/image/Elf.ts"
import { findLibraries, rootFsEntries } from "../../../adapters/image/RootFs.ts"
import { elfFile } from "./elfFile.ts"

const loader = "/lib64/ld-linux-x86-64.so.2"
const triplet = "x86_64-linux-gnu"

/** A machine with these files. */
const machine = (files: Readonly<Record<string, Uint8Array>>) => (path: string) =>
  Effect.succeed(Option.fromNullishOr(files[path]))

const node = elfFile({ interpreter: loader, needed: ["libstdc++.so.6", "libc.so.6"], symbols: 4096 })
const files = {
  [loader]: elfFile({}),
  [`/lib/${triplet}/libc.so.6`]: elfFile({ needed: ["ld-linux-x86-64.so.2"] }),
  "/usr/lib/libstdc++.so.6": elfFile({ needed: ["libm.so.6", "libc.so.6"] }),
  [`/usr/lib/${triplet}/libm.so.6`]: elfFile({ needed: ["libc.so.6"] }),
  "/usr/lib/libunused.so.1": elfFile({})
}
const found = [
  loader,
  "/usr/lib/libstdc++.so.6",
  `/lib/${triplet}/libc.so.6`,
  `/usr/lib/${triplet}/libm.so.6`
].toSorted()

const program = Result.getOrThrow(parseElf(node))
const paths = (libraries: ReadonlyMap<string, Uint8Array>) => [...libraries.keys()].toSorted()

describe("RootFs", () => {
  it.effect("finds the loader, the libraries and their libraries, each once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(paths(yield* findLibraries(program, machine(files))), found)
    })
  )

  it.effect("skips files that are no library or for another architecture", () =>
    Effect.gen(function* () {
      const more = {
        ...files,
        [`/lib/${triplet}/libstdc++.so.6`]: elfFile({ machine: 183 }),
        [`/lib/${triplet}/libm.so.6`]: Buffer.from("/* GNU ld script */ INPUT(libm-2.36.so)")
      }
      assert.deepStrictEqual(paths(yield* findLibraries(program, machine(more))), found)
    })
  )

  it.effect("includes libraries that the C library loads by name", () =>
    Effect.gen(function* () {
      const dns = `/lib/${triplet}/libnss_dns.so.2`
      const resolve = `/lib/${triplet}/libresolv.so.2`
      const more = { ...files, [dns]: elfFile({ needed: ["libresolv.so.2"] }), [resolve]: elfFile({}) }
      const libraries = yield* findLibraries(program, machine(more))
      assert.deepStrictEqual(paths(libraries), [...found, dns, resolve].toSorted())
    })
  )

  it.effect("names a missing library", () =>
    Effect.gen(function* () {
      const { [`/usr/lib/${triplet}/libm.so.6`]: _, ...less } = files
      const error = yield* Effect.flip(findLibraries(program, machine(less)))
      assert.match(error.message, /needs libm\.so\.6, which is not in .*\/usr\/lib.*\. Name a base image with --base$/)
    })
  )

  it.effect("needs nothing for a static program", () =>
    Effect.gen(function* () {
      const alone = Result.getOrThrow(parseElf(elfFile({})))
      assert.deepStrictEqual(paths(yield* findLibraries(alone, machine({}))), [])
    })
  )

  it.effect("contains Node without symbols, the libraries at their paths, the user root, and /tmp", () =>
    Effect.gen(function* () {
      const entries = yield* rootFsEntries(node, machine(files))
      const modes = Object.fromEntries(entries.map(({ header }) => [header.path, header.mode.toString(8)]))
      assert.deepInclude(modes, {
        "usr/local/bin/node": "755",
        "tmp/": "1777",
        "root/": "700",
        "etc/passwd": "644",
        [`lib/${triplet}/libc.so.6`]: "755",
        [loader.slice(1)]: "755"
      })
      const size = entries.find(({ header }) => header.path === "usr/local/bin/node")?.header.size
      assert.strictEqual(size, node.length - 4096)
    })
  )

  it.effect("rejects a Node that is no program", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(rootFsEntries(Buffer.from("#!/bin/sh"), machine(files)))
      assert.strictEqual(error._tag, "NotElf")
    })
  )
})
