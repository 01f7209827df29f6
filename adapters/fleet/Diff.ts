/**
 * The output of many tasks, as what differs: the largest group in full, and of every smaller one how its stdout differs
 * from the largest's.
 *
 * The differences are found by `TextDiff`, which is loaded when there are some.
 */
import * as Effect from "effect/Effect"
import { humanSize } from "../LayOut.ts"
import { type Group, heading, type Kept, nameGroup, showGroup, showStderr } from "./Gather.ts"
import { describeResult } from "./Outcome.ts"
import { ownLine, type Piece } from "./Piece.ts"

/** Lines that may differ before the search for the shortest difference is given up, which would take too long. */
const maxEdits = 1000

/** Groups as they are shown, the largest first: the first one whose command ran to its end is what the others are held against. */
export const showDifferences = Effect.fnUntraced(function* (
  groups: ReadonlyArray<Group>
): Effect.fn.Return<ReadonlyArray<Piece>> {
  const most = groups.find(ranToEnd)
  if (most === undefined || !groups.some((group) => group !== most && ranToEnd(group))) return groups.flatMap(showGroup)
  const { lines, unified } = yield* Effect.promise(() => import("effect/TextDiff"))
  const differenceOf = (group: Group) => {
    const [before, after] = [textOf(most.stdout), textOf(group.stdout)]
    if (before.includes("\0") || after.includes("\0")) return [ownLine("stdout", "Binary outputs differ")]
    const difference = Buffer.from(unified(lines(before, after, { maxEdits })), encoding)
    return [
      ownLine("stdout", `--- ${nameGroup(most)}`),
      ownLine("stdout", `+++ ${nameGroup(group)}`),
      { stream: "stdout" as const, bytes: difference }
    ]
  }
  return groups.flatMap((group) => {
    if (group === most || !ranToEnd(group)) return showGroup(group)
    const name = `${nameGroup(group)}: ${describeResult(group.result)}`
    const err = same(group.stderr, most.stderr) ? [] : showStderr(group)
    if (same(group.stdout, most.stdout)) {
      return [heading("stdout", `${name}, the same stdout as ${nameGroup(most)}`), ...err]
    }
    return [heading("stdout", name), ...differenceOf(group), ...notCompared(most.stdout, group.stdout), ...err]
  })
})

const ranToEnd = ({ result }: Group): boolean => result._tag === "Exited"

/** Each byte is one character of it, so that what is no text is passed on as it is. */
const encoding = "latin1"

const textOf = ({ bytes }: Kept): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding)

/** What was not kept of two outputs can't be the same for sure. */
const same = (self: Kept, that: Kept): boolean =>
  self.more === 0 && that.more === 0 && Buffer.compare(self.bytes, that.bytes) === 0

/** Said where not all of an output was kept. */
const notCompared = (...outputs: ReadonlyArray<Kept>): ReadonlyArray<Piece> => {
  const more = Math.max(...outputs.map((kept) => kept.more))
  if (more === 0) return []
  return [ownLine("stdout", `… ${humanSize(more)} more, not compared`)]
}
