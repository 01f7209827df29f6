import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { textOf } from "../../docs/Pages.ts"

const root = join(import.meta.dirname, "..", "..", "..")

const factors: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3
}

/** The numbers of a cell: bytes, milliseconds, counts. A number of seconds counts as that number, too. */
const shownIn = (cell: string): ReadonlyArray<number> =>
  [...cell.matchAll(/(\d[\d.,]*)(?: (s|min|h|[KMG]iB)\b)?/g)].flatMap(([, digits = "", unit = ""]) => {
    const number = Number(digits.replaceAll(",", ""))
    return [number, number * (factors[unit] ?? 1)]
  })

/** The numbers in the value of a constant or a default: products, and durations such as "20 seconds". */
const valuesIn = (source: string, name: string): ReadonlyArray<number> => {
  const line = new RegExp(`\\b${name}(?:: \\w+)? (?:=|\\?\\?) (.*)`).exec(source)?.[1] ?? ""
  const durations = [...line.matchAll(/"(\d+) (second|minute|hour)s?"/g)].map(
    ([, number, unit = ""]) => Number(number) * (factors[unit] ?? 1)
  )
  const products = [...line.replaceAll("_", "").matchAll(/\d+(?:\.\d+)?(?: \*{1,2} \d+)*/g)].map(([product]) =>
    product
      .split(" * ")
      .map((factor) => factor.split(" ** ").map(Number))
      .reduce((result, [base = 1, power = 1]) => result * base ** power, 1)
  )
  return [...durations, ...products]
}

describe("docs/limits.md", () => {
  const rows = [...textOf("docs/limits.md").matchAll(/^\| (.+) \| (.+) \| [^|]*`([\w/]+\.ts)` `(\w+)`[^|]* \|$/gm)]

  it("has every limit with its value in the code", () => {
    assert.isAbove(rows.length, 35)
    const wrong = rows.flatMap(([, what = "", limit = "", file = "", name = ""]) => {
      const values = valuesIn(readFileSync(join(root, file), "utf8"), name)
      return shownIn(limit).some((number) => values.includes(number))
        ? []
        : [`${what}: ${limit}; ${file}: ${name} is ${values.join(", ")}`]
    })
    assert.deepStrictEqual(wrong, [])
  })
})
