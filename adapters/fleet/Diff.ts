/**
 * The differences between the outputs of many tasks: the largest group in full, and for each smaller group how its stdout differs from
 * that of the largest. Loads `TextDiff` only if outputs differ.
 */
import * as Effect from "effect/Effect"
import { humanSize } from "../LayOut.ts"
import { type Group, heading, type Kept, nameGroup, showGroup, showStderr } from "./Gather.ts"
import { describeResult } from "./Outcome.ts"
import { ownLine, type Piece } from "./Piece.ts"

/** The most differing lines for which the shortest difference is searched. */
const maxEdits = 1000

/** Formats groups, the largest first. The first group whose command ran to its end is compared with the others. */
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
      return [heading("stdout", `${name}, same stdout as ${nameGroup(most)}`), ...err]
    }
    return [heading("stdout", name), ...differenceOf(group), ...notCompared(most.stdout, group.stdout), ...err]
  })
})

const ranToEnd = ({ result }: Group): boolean => result._tag === "Exited"

/** Maps each byte to one character, so that bytes that are not text stay unchanged. */
const encoding = "latin1"

const textOf = ({ bytes }: Kept): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding)

/** Whether two outputs are equal. Outputs that were not kept in full count as different. */
const same = (self: Kept, that: Kept): boolean =>
  self.more === 0 && that.more === 0 && Buffer.compare(self.bytes, that.bytes) === 0

/** A line for output that was not kept. */
const notCompared = (...outputs: ReadonlyArray<Kept>): ReadonlyArray<Piece> => {
  const more = Math.max(...outputs.map((kept) => kept.more))
  if (more === 0) return []
  return [ownLine("stdout", `… ${humanSize(more)} more, not compared`)]
}
