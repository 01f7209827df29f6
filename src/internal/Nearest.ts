/** Suggests a word for a mistyped one. */

/** Returns the most similar of these words; `undefined` if none differs by at most two edits and a third of its letters. */
export const nearest = (word: string, words: ReadonlyArray<string>): string | undefined => {
  const atMost = Math.min(2, Math.floor(word.length / 3))
  const [first] = words
    .map((known) => ({ known, edits: known.startsWith(word) && word.length > 2 ? 0 : distance(word, known) }))
    .filter(({ edits }) => edits <= atMost)
    .sort((a, b) => a.edits - b.edits)
  return first?.known
}

/** Returns the number of edits between two words: inserted, removed, replaced and swapped letters (optimal string alignment). */
const distance = (a: string, b: string): number => {
  const rows: Array<Array<number>> = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  const cell = (row: number, column: number) => rows[row]?.[column] ?? 0
  for (let row = 1; row <= a.length; row++) {
    rows[row] = [row]
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      rows[row]?.push(
        Math.min(
          cell(row - 1, column) + 1,
          cell(row, column - 1) + 1,
          cell(row - 1, column - 1) + (isSame ? 0 : 1),
          isSwap ? cell(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY
        )
      )
    }
  }
  return cell(a.length, b.length)
}
