/** `local`: a command in a task of the connected engine. */
import * as Effect from "effect/Effect"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, dockerExec, on, taskExec } from "../Contenders.ts"
import { measure } from "../Measure.ts"

/** The contenders run on the engine's machine. */
export const local = Effect.fn("Measure.local")(function* ({ options, stage }: Bench) {
  const { local: place, manager } = stage
  const measured = yield* measure(
    "commands on the same engine",
    [
      on(manager, taskExec(place.target, "true")),
      on(manager, dockerExec("docker exec CONTAINER true", manager.dockerHost, place, ["true"]))
    ],
    options
  )
  return compareMeasured(
    { measure: "local", title: "A command in a task on the connected engine", unit: "seconds" },
    measured
  )
})
