import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseElf, withNote, withoutSymbols } from "../../../adapters/image/Elf.ts"
import { elfFile } from "./elfFile.ts"

const loader = "/lib64/ld-linux-x86-64.so.2"

describe("Elf", () => {
  it("reads a program", () => {
    const file = elfFile({ interpreter: loader, needed: ["libm.so.6", "libc.so.6"], symbols: 1000 })
    assert.deepStrictEqual(
      parseElf(file),
      Result.succeed({
        machine: 62,
        interpreter: loader,
        needed: ["libm.so.6", "libc.so.6"],
        loadedBytes: file.length - 1000
      })
    )
  })

  it("reads a library that needs nothing", () => {
    const elf = Result.getOrThrow(parseElf(elfFile({ machine: 183 })))
    assert.deepInclude(elf, { machine: 183, interpreter: undefined, needed: [] })
  })

  it("reads bytes that begin in the middle of a larger buffer", () => {
    const file = elfFile({ interpreter: loader, needed: ["libc.so.6"] })
    const inside = Buffer.concat([Buffer.alloc(13, 1), file]).subarray(13)
    assert.deepStrictEqual(parseElf(new Uint8Array(inside.buffer, inside.byteOffset, inside.length)), parseElf(file))
  })

  it("removes symbols and the section table", () => {
    const file = elfFile({ interpreter: loader, needed: ["libc.so.6"], symbols: 500 })
    const before = Buffer.from(file)
    const elf = Result.getOrThrow(parseElf(file))
    const stripped = Buffer.concat(withoutSymbols(file, elf))
    assert.strictEqual(stripped.length, file.length - 500)
    assert.deepStrictEqual(parseElf(stripped), Result.succeed(elf))
    assert.deepStrictEqual(
      [stripped.readBigUInt64LE(40), stripped.readUInt16LE(60), stripped.readUInt16LE(62)],
      [0n, 0, 0]
    )
    assert.isTrue(file.equals(before), "the original is as it was")
  })

  it("adds a note that the program finds in its memory", () => {
    const program = elfFile({ interpreter: loader, needed: ["libc.so.6"], notes: true, symbols: 500, zeros: 1001 })
    const content = Buffer.from("what is noted")
    const file = Result.getOrThrow(withNote(program, "SOME_NAME", content))
    const before = Result.getOrThrow(parseElf(program))
    assert.deepStrictEqual(parseElf(file), Result.succeed({ ...before, loadedBytes: file.length }))
    const field = (segment: number, at: number) => Number(file.readBigUInt64LE(64 + segment * 56 + at))
    const [loaded, note] = [1, 3]
    // The whole file is loaded, at its original addresses.
    assert.deepStrictEqual([field(loaded, 8), field(loaded, 16), field(loaded, 32)], [0, 0x40_0000, file.length])
    assert.strictEqual(field(loaded, 40), file.length)
    const [offset, address, size] = [field(note, 8), field(note, 16), field(note, 32)]
    assert.deepStrictEqual([address - 0x40_0000, offset + size], [offset, file.length])
    // The memory after the program is still zero.
    const gap = file.subarray(before.loadedBytes, offset)
    assert.isTrue(gap.length >= 1001 && gap.every((byte) => byte === 0))
    // The lengths of name and content, a type, the name padded to a multiple of 4, the content.
    assert.deepStrictEqual([file.readUInt32LE(offset), file.readUInt32LE(offset + 4)], [10, content.length])
    assert.strictEqual(file.toString("latin1", offset + 12, offset + 24), "SOME_NAME\0\0\0")
    assert.isTrue(file.subarray(offset + 24).equals(content))
  })

  it("adds no note to a program without notes", () => {
    const result = withNote(elfFile({ interpreter: loader, needed: ["libc.so.6"] }), "SOME_NAME", Buffer.from("x"))
    assert.isTrue(Result.isFailure(result))
  })

  it("rejects files that are no 64-bit little-endian ELF file, and truncated ones", () => {
    const file = elfFile({ interpreter: loader, needed: ["libc.so.6"] })
    const narrow = Buffer.from(file).fill(1, 4, 5)
    const cases = [Buffer.alloc(0), Buffer.from("#!/bin/sh\n".repeat(20)), narrow, file.subarray(0, 100)]
    for (const bytes of cases) {
      const result = parseElf(bytes)
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) assert.match(result.failure.message, /^not a 64-bit little-endian ELF file: ./)
    }
  })

  it.skipIf(process.platform !== "linux")("reads the Node that runs this", () => {
    const file = readFileSync(process.execPath)
    const elf = Result.getOrThrow(parseElf(file))
    assert.match(elf.interpreter ?? "", /^\/lib/)
    assert.isTrue(elf.needed.some((name) => name.startsWith("libc.")))
    assert.isAbove(elf.loadedBytes, file.length / 2)
    assert.isAtMost(elf.loadedBytes, file.length)
  })
})
