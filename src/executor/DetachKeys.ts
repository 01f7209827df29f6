/**
 * The keys that detach from a command with a terminal, which keeps running. They are in docker's syntax; default `ctrl-p,ctrl-q`.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The keys are not in docker's syntax. */
export class InvalidDetachKeys extends Schema.TaggedError<InvalidDetachKeys>()("InvalidDetachKeys", {
  keys: Schema.String
}) {
  override get message(): string {
    return `invalid detach keys ${JSON.stringify(this.keys)}: expected single characters, ctrl-a … ctrl-z, ctrl-@, ctrl-[, ctrl-], ctrl-\\, ctrl-^, ctrl-_ or DEL, separated by commas`
  }
}

/** Docker's default. */
export const defaultDetachKeys = "ctrl-p,ctrl-q"

/** The bytes of a key (moby/term `ToBytes`). */
const byteOf = (key: string): number | undefined => {
  if (key.length === 1) return key.charCodeAt(0) < 128 ? key.charCodeAt(0) : undefined
  if (key === "DEL") return 127
  const control = /^ctrl-([a-z@[\]\\^_])$/.exec(key)?.[1]
  return control === undefined ? undefined : control.toUpperCase().charCodeAt(0) & 0x1f
}

/** Parses keys such as `ctrl-p,ctrl-q`. An empty text means no keys. */
export const parseDetachKeys = (keys: string): Result.Result<Uint8Array, InvalidDetachKeys> => {
  if (keys === "") return Result.succeed(new Uint8Array())
  const bytes: Array<number> = []
  for (const key of keys.split(",")) {
    const byte = byteOf(key)
    if (byte === undefined) return Result.fail(new InvalidDetachKeys({ keys }))
    bytes.push(byte)
  }
  return Result.succeed(Uint8Array.from(bytes))
}

/** The part of a chunk that is for the command. */
export interface Filtered {
  readonly data: Uint8Array
  /** Whether all keys were pressed. Then no further input is for the command. */
  readonly detached: boolean
}

/**
 * The detach keys for the engine if the user wants none, because without keys the engine uses its default. No user presses these keys in a
 * row. The engine holds back the first one until the next key is pressed, but users rarely press it.
 */
export const neverPressed = "ctrl-^,ctrl-@,ctrl-_,ctrl-^,ctrl-@,ctrl-_,ctrl-^,ctrl-@,ctrl-_,ctrl-^"

/**
 * Finds the keys in the input. Removes only the last key: the engine looks for the same keys, and holds them back until it knows whether
 * all are pressed. With the last key, the engine would detach by itself and not report it.
 */
export class DetachFilter {
  private before: Uint8Array = new Uint8Array()
  private readonly keys: Uint8Array
  constructor(keys: Uint8Array) {
    this.keys = keys
  }

  /** Filters a chunk of input. */
  push(chunk: Uint8Array): Filtered {
    if (this.keys.length === 0) return { data: chunk, detached: false }
    const { length } = this.before
    const typed = Buffer.concat([this.before, chunk])
    const at = typed.indexOf(this.keys)
    if (at >= 0) return { data: chunk.subarray(0, Math.max(0, at - length)), detached: true }
    this.before = typed.subarray(Math.max(0, typed.length - this.keys.length + 1))
    return { data: chunk, detached: false }
  }
}
