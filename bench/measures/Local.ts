/** `local`: a command in a task on the connected engine, which the caller reaches by its socket. */
import * as Effect from "effect/Effect"
import { compareMeasured } from "../Comparison.ts"
import { type Bench, dockerExec, on, taskExec } from "../Contenders.ts"
import { measure } from "../Measure.ts"

/** Both contenders run on the engine's machine. */
export const local = Effect.fn("Measure.local")(function* ({ options, stage: { local: place, manager } }: Bench) {
  const measured = yield* measure(
    "commands on the same engine",
    [
      on(manager, taskExec(place.target, "true")),
      on(manager, dockerExec("docker exec CONTAINER true", manager.dockerHost, place, ["true"]))
    ],
    options
  )
  const title = "A command in a task on the connected engine"
  return compareMeasured({ measure: "local", title, unit: "seconds" }, measured)
})
