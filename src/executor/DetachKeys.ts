/**
 * The keys that let go of a command with a terminal and leave it running, as docker has them: `ctrl-p,ctrl-q` unless told.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The keys are not written as docker writes them. */
export class InvalidDetachKeys extends Schema.TaggedError<InvalidDetachKeys>()("InvalidDetachKeys", {
  keys: Schema.String
}) {
  override get message(): string {
    return `detach keys ${JSON.stringify(this.keys)}: use single characters and ctrl-a … ctrl-z, ctrl-@, ctrl-[, ctrl-], ctrl-\\, ctrl-^, ctrl-_ or DEL, with commas between`
  }
}

/** What docker uses when it is told nothing. */
export const defaultDetachKeys = "ctrl-p,ctrl-q"

/** The bytes of a key (moby/term `ToBytes`). */
const byteOf = (key: string): number | undefined => {
  if (key.length === 1) return key.charCodeAt(0) < 128 ? key.charCodeAt(0) : undefined
  if (key === "DEL") return 127
  const control = /^ctrl-([a-z@[\]\\^_])$/.exec(key)?.[1]
  return control === undefined ? undefined : control.toUpperCase().charCodeAt(0) & 0x1f
}

/** Reads keys such as `ctrl-p,ctrl-q`; no keys at all (`""`) are never pressed. */
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

/** What of a chunk is for the command. */
export interface Filtered {
  readonly data: Uint8Array
  /** All of the keys were pressed: nothing more is for the command. */
  readonly detached: boolean
}

/**
 * Finds the keys in what is typed. Keys that may be the beginning are held back until it is clear, as docker does; the whole
 * sequence never reaches the command.
 */
export class DetachFilter {
  private matched = 0
  private readonly keys: Uint8Array
  constructor(keys: Uint8Array) {
    this.keys = keys
  }

  /** One chunk of input. */
  push(chunk: Uint8Array): Filtered {
    if (this.keys.length === 0) return { data: chunk, detached: false }
    const bytes: Array<number> = []
    for (const byte of chunk) {
      if (byte === this.keys[this.matched]) {
        this.matched++
        if (this.matched === this.keys.length) return { data: Uint8Array.from(bytes), detached: true }
        continue
      }
      bytes.push(...this.keys.subarray(0, this.matched))
      this.matched = byte === this.keys[0] ? 1 : 0
      if (this.matched === 0) bytes.push(byte)
    }
    return { data: Uint8Array.from(bytes), detached: false }
  }

  /** What is held back at the end of the input. */
  end(): Uint8Array {
    const held = this.keys.slice(0, this.matched)
    this.matched = 0
    return held
  }
}
