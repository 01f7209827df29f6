/** Text for people: columns and sizes. */
import { printable } from "./Printable.ts"

/** Lays rows out in columns, two spaces apart, each as wide as its widest cell. A cell is one line, see `printable`. */
export const layOut = (cells: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const rows = cells.map((row) => row.map(printable))
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd()
  )
}

const units = ["B", "kB", "MB", "GB", "TB", "PB"]

/** Writes a size in bytes as docker does, with three digits: `50MB`, `1.54kB`. */
export const humanSize = (bytes: number): string => {
  let size = bytes
  let unit = 0
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000
    unit++
  }
  return `${Number(size.toPrecision(3))}${units[unit]}`
}
