/** Commands that were measured against each other, task-exec first. */
import type { Measured } from "./Measure.ts"
import { median, type Summary, summarize } from "./Statistics.ts"

/** One command, or one part of it. */
export interface Row {
  readonly command: string
  readonly seconds: Summary
  /** Every run. */
  readonly all: ReadonlyArray<number>
  /** How long task-exec takes for each second of this. */
  readonly ratio: number
  /** 10^6 bytes of output for each second of the whole command. */
  readonly megabytesPerSecond?: number
  /** The most memory that the caller had at any time in any run, in 2^20 bytes. */
  readonly peakMemoryMiB?: number
  /** The same of the helper. */
  readonly helperMemoryMiB?: number
}

/** Commands that were measured against each other. */
export interface Comparison {
  readonly title: string
  readonly rows: ReadonlyArray<Row>
}

/** What a row is made of. */
export interface Entry extends Pick<Row, "command" | "all" | "peakMemoryMiB" | "helperMemoryMiB"> {
  /** Bytes of output. */
  readonly bytes?: number
}

/** The whole command. */
export const whole = ({ contender, seconds }: Measured): Entry => ({ command: contender.name, all: seconds })

/** The whole command, whose notes are the caller's peak memory in KiB. */
export const withOutput = (measured: Measured): Entry => ({
  ...whole(measured),
  ...(measured.contender.bytes === undefined ? {} : { bytes: measured.contender.bytes }),
  peakMemoryMiB: Math.max(...measured.notes) / 1024
})

/** Compares the first with all. */
export const compare = (title: string, entries: ReadonlyArray<Entry>): Comparison => {
  const ours = median(entries[0]?.all ?? [])
  const rows = entries.map(({ bytes, ...entry }): Row => {
    const seconds = summarize(entry.all)
    const rate = bytes === undefined ? {} : { megabytesPerSecond: bytes / 1e6 / seconds.median }
    return { ...entry, seconds, ratio: ours / seconds.median, ...rate }
  })
  return { title, rows }
}
