/**
 * The policy of a task: the commands that its label `task-exec.allow` allows. The label is on the service or the container:
 *
 *     true                             everything
 *     false                            nothing
 *     nginx, df, ls -l /srv            these, separated by commas or line breaks
 *     ["nginx", ["sh", "-c", "a, b"]]  JSON, for words with blanks, commas or quotes
 *
 * An entry of one word is a program with any arguments. An entry of several words is exactly that command line. Words must be equal: there
 * are no patterns, and `nginx` does not match `/usr/sbin/nginx`. In JSON, a string is a program, and a list is a whole command line. An
 * entry for the program `cp` allows copies in both directions, and one for the program `port-forward` allows connections to all ports. The
 * command line `port-forward 5432` allows connections to this port.
 *
 * An empty list and an invalid value allow nothing.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The label with the allowed commands. */
export const allowLabel = "task-exec.allow"

/** The label of a node on which actions in tasks without {@link allowLabel} are denied. `false` means the same as no label. */
export const denyDefaultLabel = "task-exec.deny-default"

/** The allowed actions. */
export type Policy = { readonly _tag: "Everything" } | { readonly _tag: "Only"; readonly entries: ReadonlyArray<Entry> }

/** A program with any arguments, or a command line. */
export type Entry =
  | { readonly _tag: "Program"; readonly program: string }
  | { readonly _tag: "CommandLine"; readonly words: ReadonlyArray<string> }

/** The text is not a valid policy. */
export class InvalidPolicy extends Schema.TaggedError<InvalidPolicy>()("InvalidPolicy", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** An action for which a policy is checked. */
export type Access =
  | { readonly _tag: "Run"; readonly command: readonly [string, ...ReadonlyArray<string>] }
  /** Copy files, in or out. */
  | { readonly _tag: "Copy" }
  /** Connect to these ports. */
  | { readonly _tag: "Forward"; readonly ports: ReadonlyArray<string> }

/** The program whose entry allows copies. */
const copyProgram = "cp"

/** The program whose entry allows forwarding of all ports. The command line `port-forward 5432` allows one port. */
export const forwardProgram = "port-forward"

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
export const allows = (policy: Policy, access: Access): boolean => {
  if (policy._tag === "Everything") return true
  if (access._tag === "Run") return policy.entries.some(isFor(access.command))
  if (access._tag === "Forward") return access.ports.every((port) => policy.entries.some(isFor([forwardProgram, port])))
  return policy.entries.some((entry) => entry._tag === "Program" && entry.program === copyProgram)
}

/** Whether an entry allows a command line. */
const isFor =
  (command: ReadonlyArray<string>) =>
  (entry: Entry): boolean =>
    entry._tag === "Program"
      ? entry.program === command[0]
      : entry.words.length === command.length && entry.words.every((word, at) => word === command[at])
