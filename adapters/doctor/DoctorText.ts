/** Formats checks as text. */
import type { Colour } from "../Output.ts"
import { printable } from "../Printable.ts"
import { type Check, Verdict } from "./Check.ts"

const colours: Readonly<Record<Verdict, string>> = { ok: "32", warning: "33", fails: "31", skipped: "2" }

const markWidth = Math.max(...Verdict.literals.map((verdict) => verdict.length))
const subjectWidth = "leftovers".length

/** `ok       clock      node-2: within 0.2 s of the caller's clock`. What to do is on the next line, indented. */
export const linesOf = ({ check, found, next, node, verdict }: Check): string => {
  const where = node === undefined ? "" : `${node.hostname}: `
  const line = `${verdict.padEnd(markWidth)}  ${check.padEnd(subjectWidth)}  ${printable(`${where}${found}`)}`
  const indent = " ".repeat(markWidth + 2 + subjectWidth + 2)
  return next === undefined ? line : `${line}\n${indent}${printable(next)}`
}

/** The color of the verdict in {@link linesOf}. */
export const colourOf = ({ verdict }: Check): Colour => ({ code: colours[verdict], length: markWidth })

/** `27 checks: 25 ok, 1 warning, 1 fails`. */
export const summaryOf = (checks: ReadonlyArray<Check>): string => {
  const counts = Verdict.literals.flatMap((verdict) => {
    const count = checks.filter((check) => check.verdict === verdict).length
    return count === 0 ? [] : [`${count} ${count > 1 && verdict === "warning" ? "warnings" : verdict}`]
  })
  return `${checks.length} checks: ${counts.join(", ")}`
}
