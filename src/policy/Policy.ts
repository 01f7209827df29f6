/**
 * What may be run in a task, as the label `task-exec.allow` of its service or its container says it:
 *
 *     true                             everything
 *     false                            nothing
 *     nginx, df, ls -l /srv            these: with commas or line ends between them
 *     ["nginx", ["sh", "-c", "a, b"]]  the same as JSON, for words with blanks, commas or quotes in them
 *
 * An entry of one word is a program, with any arguments; one of several words is that command line and no other. A word of
 * the command must be the word of the entry, letter by letter: there are no patterns, and `nginx` does not stand for
 * `/usr/sbin/nginx`. In JSON a text is a program, and a list is a whole command line, of one word too. An entry for the program
 * `cp` lets files be copied, out and in.
 *
 * An empty list, and a text that is none of these, let nothing be run.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The label that says what may be run. */
export const allowLabel = "task-exec.allow"

/** The label of a node on which nothing may be run without an {@link allowLabel}; `false` is the same as no such label. */
export const denyDefaultLabel = "task-exec.deny-default"

/** What may be run. */
export type Policy = { readonly _tag: "Everything" } | { readonly _tag: "Only"; readonly entries: ReadonlyArray<Entry> }

/** A program with any arguments, or one command line. */
export type Entry =
  | { readonly _tag: "Program"; readonly program: string }
  | { readonly _tag: "CommandLine"; readonly words: ReadonlyArray<string> }

/** The text is not a valid policy. */
export class InvalidPolicy extends Schema.TaggedError<InvalidPolicy>()("InvalidPolicy", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** An action in a task. */
export type Wish =
  | { readonly _tag: "Run"; readonly command: readonly [string, ...ReadonlyArray<string>] }
  /** Copy files, in or out. */
  | { readonly _tag: "Copy" }

/** The program whose entry lets files be copied. */
const copyProgram = "cp"

const Json = Schema.fromJsonString(
  Schema.Array(Schema.Union([Schema.NonEmptyString, Schema.NonEmptyArray(Schema.String)]))
)
const decodeJson = Schema.decodeUnknownResult(Json)

/** Parses the value of the label. Fails with `InvalidPolicy`. */
export const parsePolicy = (text: string): Result.Result<Policy, InvalidPolicy> => {
  const trimmed = text.trim()
  if (trimmed === "true") return Result.succeed({ _tag: "Everything" })
  if (trimmed === "false") return Result.succeed({ _tag: "Only", entries: [] })
  if (trimmed.startsWith("[")) {
    return Result.match(decodeJson(trimmed), {
      onSuccess: (list) =>
        Result.succeed<Policy>({
          _tag: "Only",
          entries: list.map(
            (entry): Entry =>
              typeof entry === "string" ? { _tag: "Program", program: entry } : { _tag: "CommandLine", words: entry }
          )
        }),
      onFailure: () =>
        Result.fail(
          new InvalidPolicy({ detail: "expected a JSON list of programs (strings) and command lines (lists)" })
        )
    })
  }
  const special = /["'\\*]/.exec(trimmed)?.[0]
  if (special !== undefined) {
    return Result.fail(new InvalidPolicy({ detail: `${special} is only allowed in a JSON list` }))
  }
  return Result.succeed({ _tag: "Only", entries: trimmed.split(/[,\n]/).flatMap(entryOf) })
}

const entryOf = (text: string): ReadonlyArray<Entry> => {
  const words = text.trim().split(/\s+/)
  const [program = ""] = words
  if (program === "") return []
  return [words.length === 1 ? { _tag: "Program", program } : { _tag: "CommandLine", words }]
}

/** Whether a policy allows an action. */
export const allows = (policy: Policy, wish: Wish): boolean =>
  policy._tag === "Everything" ||
  policy.entries.some((entry) => {
    if (wish._tag === "Copy") return entry._tag === "Program" && entry.program === copyProgram
    if (entry._tag === "Program") return entry.program === wish.command[0]
    return entry.words.length === wish.command.length && entry.words.every((word, at) => word === wish.command[at])
  })
