/** `input`: the cost of input that is complete when a command starts, in a task on another node. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { compare, compareMeasured, whole } from "../Comparison.ts"
import { type Bench, halved, piped, taskExec } from "../Contenders.ts"
import { type Contender, measure } from "../Measure.ts"

/** Commands at the same time. */
const atOnce = 8

/** The line that each command reads and must print. */
const line = "hi"

/** Runs the command `$2…` eight times at once. Appends to the file `$1` how many failed or printed something else. */
const script = `notes=$1 line=$2; shift 2
failed=$(
  n=0
  while [ $n -lt ${atOnce} ]; do
    n=$((n + 1))
    { out=$(printf '%s\\n' "$line" | "$@") && [ "$out" = "$line" ] || echo failed; } &
  done
  wait
)
printf '%s' "$failed" | grep -c failed >>"$notes" || true`

/** Many runs of the command at once, each with its own input. */
const atTheSameTime = ({ argv, name }: Contender, notes: string): Contender => ({
  name: `${atOnce} at once: echo ${line} | ${name}`,
  argv: ["sh", "-c", script, "sh", notes, line, ...argv],
  notes
})

/** Measures the same command with input and without, and many with input at once. */
export const input = Effect.fn("Measure.input")(function* ({ options, stage }: Bench) {
  const { target } = stage.remote
  const withInput = taskExec("-i", target, "cat")
  const alone = piped(withInput, line)
  const about = { measure: "input", unit: "seconds" } as const
  const single = yield* measure("a command with small input", [alone, taskExec(target, "cat")], options)
  const [many, one] = yield* measure(
    `${atOnce} commands with small input at once`,
    [atTheSameTime(withInput, join(options.dir, "failures")), alone],
    halved(options)
  )
  const title = `${atOnce} commands with small input at once, on another node`
  return [
    ...compareMeasured({ ...about, title: "A command with small input in a task on another node" }, single),
    ...(many === undefined || one === undefined
      ? []
      : [
          compare({ ...about, title }, whole(many), [{ ...whole(one), name: `one alone: ${one.contender.name}` }]),
          compare(
            { ...about, unit: "objects", title: `${title}: how many of them failed` },
            { name: many.contender.name, samples: many.notes },
            []
          )
        ])
  ]
})
