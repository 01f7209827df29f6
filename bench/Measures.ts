/** All measures, by the names that they are asked for with. */
import type * as Effect from "effect/Effect"
import type { Comparison } from "./Comparison.ts"
import { agent } from "./measures/Agent.ts"
import { cold } from "./measures/Cold.ts"
import { fanOut } from "./measures/FanOut.ts"
import { image } from "./measures/ImageSize.ts"
import { interactive } from "./measures/Interactive.ts"
import { local } from "./measures/Local.ts"
import { memory } from "./measures/Memory.ts"
import { start } from "./measures/Start.ts"
import { store } from "./measures/Store.ts"
import { throughput } from "./measures/Throughput.ts"
import type { MeasureName } from "./Options.ts"
import type { Bench } from "./Ways.ts"

/** Each gives what it compared. */
export const measures: Readonly<
  Record<MeasureName, (bench: Bench) => Effect.Effect<ReadonlyArray<Comparison>, { readonly message: string }>>
> = {
  start,
  local,
  cold,
  agent,
  interactive,
  throughput,
  memory,
  image,
  store,
  "fan-out": fanOut
}
