/**
 * Sorts and folds the names of tasks: `web.1`, `web.2`, `web.3` and `web.6` become `web.[1-3,6]`. The folded text can be unfolded to
 * exactly these names, because names in a swarm have neither commas nor brackets.
 *
 * Leading zeros are kept: `db@node-08`, `db@node-09` and `db@node-10` become `db@node-[08-10]`, and `web@node-1` with `web@node-01` becomes
 * `web@node-01,web@node-1`.
 */
import * as Order from "effect/Order"

/** The natural order of names: `web.2` comes before `web.10`. */
export const byName: Order.Order<string> = Order.make((self, that) => {
  const mine = partsOf(self)
  const theirs = partsOf(that)
  for (const [at, part] of mine.entries()) {
    const other = theirs[at]
    if (other === undefined) return 1
    const ordering = digits.test(part) && digits.test(other) ? byNumber(part, other) : byText(part, other)
    if (ordering !== 0) return ordering
  }
  // The names are equal except for leading zeros, or one is a prefix of the other.
  return mine.length < theirs.length ? -1 : byText(self, that)
})

/** Folds names, in their natural order and without duplicates: `agent@node-[1-2],web.[1-3,6]`. */
export const foldNames = (names: Iterable<string>): string => {
  const families = new Map<string, Family>()
  const all = [...new Set(names)].sort(byName)
  const padded = paddedWidths(all)
  for (const name of all) {
    const { number, stem } = splitNumber(name)
    const width = number !== undefined && padded.has(`${stem} ${number.length}`) ? number.length : 0
    // A name without a number at its end is a family of its own.
    const key = number === undefined ? name : `${stem} ${width}`
    const family = families.get(key)
    if (family === undefined) families.set(key, { stem, numbers: number === undefined ? [] : [number] })
    else if (number !== undefined) family.numbers.push(number)
  }
  return [...families.values()].map(textOf).join(",")
}

/** Names that differ only in the number at their end, in order. If one number has leading zeros, all have the same number of digits. */
interface Family {
  readonly stem: string
  readonly numbers: Array<string>
}

const digits = /^\d+$/

const partsOf = (name: string): ReadonlyArray<string> => name.match(/\d+|\D+/g) ?? []

const byText = (self: string, that: string) => (self === that ? 0 : self < that ? -1 : 1)

/** Compares decimal numbers of any length. */
const byNumber = (self: string, that: string) => {
  const [mine, theirs] = [self.replace(/^0+/, ""), that.replace(/^0+/, "")]
  return mine.length === theirs.length ? byText(mine, theirs) : mine.length < theirs.length ? -1 : 1
}

/**
 * Splits a name into the number at its end and the text before it. Numbers of more than 15 digits, which JavaScript can't count, are text.
 */
const splitNumber = (name: string): { readonly stem: string; readonly number: string | undefined } => {
  const number = /\d{1,15}$/.exec(name)?.[0]
  const stem = name.slice(0, name.length - (number?.length ?? 0))
  return number === undefined || /\d$/.test(stem) ? { stem: name, number: undefined } : { stem, number }
}

/** Returns the stems, each with a number of digits, for which a number has leading zeros. */
const paddedWidths = (names: ReadonlyArray<string>): ReadonlySet<string> => {
  const widths = new Set<string>()
  for (const name of names) {
    const { number, stem } = splitNumber(name)
    if (number !== undefined && number.length > 1 && number.startsWith("0")) widths.add(`${stem} ${number.length}`)
  }
  return widths
}

const textOf = ({ numbers, stem }: Family): string => {
  const [first] = numbers
  if (first === undefined) return stem
  if (numbers.length === 1) return `${stem}${first}`
  const runs: Array<{ readonly from: string; to: string }> = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run !== undefined && Number(run.to) + 1 === Number(number)) run.to = number
    else runs.push({ from: number, to: number })
  }
  return `${stem}[${runs.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(",")}]`
}
