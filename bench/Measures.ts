/** All measures, by their names on the command line. */
import type * as Effect from "effect/Effect"
import type { Comparison } from "./Comparison.ts"
import type { Bench } from "./Contenders.ts"
import { agent } from "./measures/Agent.ts"
import { cold } from "./measures/Cold.ts"
import { content } from "./measures/Content.ts"
import { debug } from "./measures/Debug.ts"
import { fanOut, largeFanOut } from "./measures/FanOut.ts"
import { forward } from "./measures/Forward.ts"
import { image } from "./measures/ImageSize.ts"
import { input } from "./measures/Input.ts"
import { interactive } from "./measures/Interactive.ts"
import { killed } from "./measures/Killed.ts"
import { local } from "./measures/Local.ts"
import { logs } from "./measures/Logs.ts"
import { memory } from "./measures/Memory.ts"
import { oneOff } from "./measures/OneOff.ts"
import { start } from "./measures/Start.ts"
import { store } from "./measures/Store.ts"
import { throughput } from "./measures/Throughput.ts"
import { throughSsh } from "./measures/ThroughSsh.ts"
import type { MeasureName } from "./Options.ts"

/** Each returns its comparisons. */
export const measures: Readonly<
  Record<MeasureName, (bench: Bench) => Effect.Effect<ReadonlyArray<Comparison>, { readonly message: string }>>
> = {
  start,
  local,
  ssh: throughSsh,
  "one-off": oneOff,
  cold,
  input,
  agent,
  interactive,
  debug,
  throughput,
  forward,
  content,
  logs,
  memory,
  image,
  store,
  killed,
  "fan-out": fanOut,
  "large-fan-out": largeFanOut
}
