/** `docs/errors.md`: every error of the library with its text, the next step, and whether a retry is safe. */
import { type Aftermath, aftermathOf } from "../../src/Aftermath.ts"
import { type ErrorDoc, type ErrorSample, errors, groups } from "./Errors.ts"

/** The whole page. */
export const errorsPage = (): string => {
  const all = Object.entries<ErrorDoc>(errors)
  return `${[
    "# Errors",
    "<!-- Made by `npm run docs` from the errors of the library. -->",
    "Every error of the library, with the text that `task-exec` prints. Words in capitals stand for names and reasons. " +
      "[Troubleshooting](troubleshooting.md) explains the frequent ones.",
    "## Did anything run?",
    "*Did anything run?* tells whether the command can have run, or files or agents can have changed. *No* is certain: " +
      "`TaskExec.isNothingRun(error)` is then true. *Retry?* tells whether to try again: " +
      "`TaskExec.isRetryable(error)` is true for *safe*. The other answers are *after the cause is removed* (a retry does no harm, but fails " +
      "again) and *check first* (look at what the command has done). Where an error has two answers, they depend on its data. " +
      "From the moment at which a command may have begun, a run does not fail with the engine's errors, but with `OutcomeUnknown`.",
    overview(all),
    ...Object.entries(groups).flatMap(([group, title]) => [
      `## ${title}`,
      ...all.filter(([, doc]) => doc.group === group).map(section)
    ])
  ].join("\n\n")}\n`
}

const retries: Readonly<Record<Aftermath["retry"], string>> = {
  safe: "safe",
  unchanged: "after the cause is removed",
  check: "check first"
}

/** The table of all errors, with the answers about a retry. */
const overview = (all: ReadonlyArray<readonly [string, ErrorDoc]>): string =>
  [
    "| error | did anything run? | retry? |",
    "|---|---|---|",
    ...all.map(([name, { samples }]) => {
      const aftermaths = samples.map((sample) => aftermathOf(sample))
      const answers = (texts: ReadonlyArray<string>) => [...new Set(texts)].join(", or ")
      const ran = answers(aftermaths.map(({ ran }) => ran))
      return `| [${name}](#${name.toLowerCase()}) | ${ran} | ${answers(aftermaths.map(({ retry }) => retries[retry]))} |`
    })
  ].join("\n")

const section = ([name, { note, samples }]: readonly [string, ErrorDoc]): string =>
  [
    `### ${name}`,
    table([...new Map(samples.map((sample) => [sample.message, sample])).values()]),
    ...(note === undefined ? [] : [note])
  ].join("\n\n")

const table = (samples: ReadonlyArray<ErrorSample>): string =>
  [
    "| text | next step |",
    "|---|---|",
    ...samples.map(({ hint = "", message, summary = message }) => `| ${cell(summary)} | ${cell(hint)} |`)
  ].join("\n")

/** Escapes Markdown, in one line. */
const cell = (text: string): string => text.replace(/[<>*|_]/g, "\\$&").replaceAll("\n", "<br>")
