/** `start`: how long the program takes to start. */
import * as Effect from "effect/Effect"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, bareNode, taskExec } from "../Contenders.ts"
import { measure } from "../Measure.ts"

/** `task-exec --version`, and Node without a program. */
export const start = Effect.fn("Measure.start")(function* ({ options }: Bench) {
  const measured = yield* measure("the start", [taskExec("--version"), bareNode], options)
  return compareMeasured({ measure: "start", title: "Start of the program", unit: "seconds" }, measured)
})
