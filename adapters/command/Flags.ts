/** Flags of a command line. One table parses them, describes them in help and manual pages, and completes them. */
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { nearest } from "../../src/internal/Nearest.ts"
import { hasUnits, UsageError } from "./Usage.ts"

/** A flag. `parseArgs` of `node:util` reads `type`, `short`, `multiple` and `default`. */
export interface Flag {
  readonly type: "boolean" | "string"
  readonly short?: string
  readonly multiple?: boolean
  readonly default?: boolean | string | Array<string>
  /** What help calls the value: `NAME[=VALUE]`. */
  readonly value?: string
  /** The value of a flag that is given without one. Only a duration with a unit may then be the next word. */
  readonly optional?: string
  /** The title under which help lists the flag. */
  readonly group?: Group
  /** The description in help. Help does not list a flag without one. */
  readonly about?: string
}

/** Flags by their long names. */
export type Flags = Readonly<Record<string, Flag>>

/** The titles in help, in their order. */
export const groups = [
  "Options",
  "Command",
  "Log",
  "One-off task",
  "Terminal and input",
  "Lifecycle",
  "Connection",
  "Output",
  "Many tasks",
  "Debugging"
] as const

/** A title in help. */
export type Group = (typeof groups)[number]

/** The values and the operands of a command line with these flags. */
export type ReadFlags<Table extends Flags> = ReturnType<
  typeof parseArgs<{ options: Table; strict: true; allowPositionals: true }>
>

/** The flags at the start of a command line. */
export interface Scanned {
  /** In one form, `--name` or `--name=value`; unknown flags as they are. */
  readonly flags: ReadonlyArray<string>
  /** Index of the first word that is not a flag: an operand, or `--`. */
  readonly next: number
  /** The flag whose value is missing at the end of the line. */
  readonly awaiting: string | undefined
  /** A number after a flag with an optional value: it can be a duration as well as an operand. */
  readonly ambiguous: { readonly flag: string; readonly word: string } | undefined
}

const booleanTexts: Readonly<Record<string, boolean>> = {
  ...{ "1": true, t: true, T: true, true: true, TRUE: true, True: true },
  ...{ "0": false, f: false, F: false, false: false, FALSE: false, False: false }
}

/** A number that may be a duration in seconds. A longer number is the prefix of an ID. */
const shortNumber = /^\d{1,5}(?:\.\d+)?$/

/** Returns `name` of `--name=value`. */
export const flagName = (flag: string): string => flag.replace(/^--|=.*/gs, "")

/**
 * Scans flags up to the first word that is not a flag. As in the docker CLI (spf13/pflag), booleans take `=true` and `=false`, and a value
 * may begin with a hyphen.
 */
export const scanFlags = (argv: ReadonlyArray<string>, table: Flags, from = 0): Scanned => {
  let flags: Array<string> = []
  const byLetter = (letter: string) => Object.keys(table).find((name) => table[name]?.short === letter)
  let at = from
  const done = (rest: Partial<Scanned> = {}): Scanned => ({
    flags,
    next: at,
    awaiting: undefined,
    ambiguous: undefined,
    ...rest
  })
  const setBoolean = (name: string, value: string | undefined) => {
    const boolean = value === undefined ? true : booleanTexts[value]
    if (boolean === false) flags = flags.filter((flag) => flag !== `--${name}`)
    else flags.push(boolean === true ? `--${name}` : `--${name}=${value}`)
  }
  while (at < argv.length) {
    const word = argv[at] ?? ""
    if (!word.startsWith("-") || word === "-" || word === "--") return done()
    at++
    const found = word.startsWith("--") ? readLong(word, table) : readShort(word, table, byLetter)
    for (const [name, value] of found.booleans) setBoolean(name, value)
    if (found.unknown !== undefined) flags.push(found.unknown)
    const { name, value } = found
    if (name === undefined) continue
    const next = argv[at]
    const byDefault = table[name]?.optional
    if (value !== undefined) flags.push(`--${name}=${value}`)
    else if (byDefault !== undefined) {
      if (next !== undefined && shortNumber.test(next)) return done({ ambiguous: { flag: name, word: next } })
      const takes = next !== undefined && hasUnits(next)
      flags.push(`--${name}=${takes ? next : byDefault}`)
      if (takes) at++
    } else if (next !== undefined) {
      flags.push(`--${name}=${next}`)
      at++
    } else {
      flags.push(`--${name}`)
      return done({ awaiting: name })
    }
  }
  return done()
}

/** The flags in one word: booleans, and at most one flag with a value. The value may be the next word. */
interface Word {
  readonly booleans: ReadonlyArray<readonly [name: string, value: string | undefined]>
  readonly name?: string
  readonly value?: string
  readonly unknown?: string
}

const readLong = (word: string, table: Flags): Word => {
  const equals = word.indexOf("=")
  const name = word.slice(2, equals < 0 ? undefined : equals)
  const value = equals < 0 ? undefined : word.slice(equals + 1)
  const flag = Object.hasOwn(table, name) ? table[name] : undefined
  if (flag === undefined) return { booleans: [], unknown: word }
  if (flag.type === "boolean") return { booleans: [[name, value]] }
  return { booleans: [], name, ...(value === undefined ? {} : { value }) }
}

const readShort = (word: string, table: Flags, byLetter: (letter: string) => string | undefined): Word => {
  const booleans: Array<readonly [string, string | undefined]> = []
  for (let at = 1; at < word.length; at++) {
    const name = byLetter(word.charAt(at))
    const rest = word.slice(at + 1)
    if (name === undefined) return { booleans, unknown: `-${word.charAt(at)}` }
    if (table[name]?.type === "string") {
      return { booleans, name, ...(rest === "" ? {} : { value: rest.replace(/^=/, "") }) }
    }
    if (rest.startsWith("=")) return { booleans: [...booleans, [name, rest.slice(1)]] }
    booleans.push([name, undefined])
  }
  return { booleans }
}

/** Reads scanned flags. Fails with `UsageError`. */
export const readScanned = <const Table extends Flags>(
  { ambiguous, flags }: Scanned,
  table: Table,
  operands: ReadonlyArray<string> = []
): Effect.Effect<ReadFlags<Table>, UsageError> => {
  if (ambiguous !== undefined) {
    const { flag, word } = ambiguous
    return Effect.fail(
      new UsageError({
        detail: `--${flag} ${word} is ambiguous: write --${flag}=${word} for a duration, or --${flag}=${table[flag]?.optional} ${word} for a target`
      })
    )
  }
  return Effect.try({
    try: () => parseArgs({ args: [...flags, "--", ...operands], options: table, strict: true, allowPositionals: true }),
    catch: (error) => new UsageError({ detail: explain(error, flags, table) })
  })
}

/** Scans a command line whose flags may stand anywhere before `--`. */
export const scanLine = (
  argv: ReadonlyArray<string>,
  table: Flags
): { readonly scanned: Scanned; readonly operands: ReadonlyArray<string> } => {
  const flags: Array<string> = []
  const operands: Array<string> = []
  let at = 0
  while (at < argv.length) {
    const scanned = scanFlags(argv, table, at)
    flags.push(...scanned.flags)
    if (scanned.ambiguous !== undefined) return { scanned: { ...scanned, flags }, operands }
    const word = argv[scanned.next]
    if (word === "--") {
      operands.push(...argv.slice(scanned.next + 1))
      break
    }
    if (word !== undefined) operands.push(word)
    at = scanned.next + 1
  }
  return { scanned: { flags, next: argv.length, awaiting: undefined, ambiguous: undefined }, operands }
}

/** Reads a command line whose flags may stand anywhere before `--`. Fails with `UsageError`. */
export const readFlags = <const Table extends Flags>(
  argv: ReadonlyArray<string>,
  table: Table
): Effect.Effect<ReadFlags<Table>, UsageError> => {
  const { operands, scanned } = scanLine(argv, table)
  return readScanned(scanned, table, operands)
}

/** Explains an error that `parseArgs` throws. */
const explain = (error: unknown, flags: ReadonlyArray<string>, table: Flags): string => {
  for (const flag of flags) {
    const [, name = "", value] = /^--([^=]+)(?:=(.*))?$/s.exec(flag) ?? []
    const known = Object.hasOwn(table, name) ? table[name] : undefined
    if (known === undefined) return `unknown option ${flag.replace(/=.*/s, "")}${suggestFlag(name, table)}`
    if (known.type === "boolean" && value !== undefined) {
      return `invalid value ${JSON.stringify(value)} for --${name}: expected true or false`
    }
    if (known.type === "string" && value === undefined) return `--${name} needs a value: --${name} ${known.value}`
  }
  return error instanceof Error ? error.message : String(error)
}

const suggestFlag = (name: string, table: Flags): string => {
  const listed = Object.keys(table).filter((one) => table[one]?.about !== undefined)
  const meant = name === "" ? undefined : nearest(name, listed)
  return meant === undefined ? "" : `. Did you mean --${meant}?`
}
