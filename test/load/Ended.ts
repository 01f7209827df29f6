/** Ends many commands at random moments, and checks the engines. */
import { hostname } from "node:os"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Caller } from "../chaos/Caller.ts"
import { type Dice, makeDice } from "../chaos/Dice.ts"
import { get, remove } from "../cluster/EngineApi.ts"
import type { LoadStage } from "./LoadStage.ts"
import { beside, commandOf, type SceneName } from "./Scenes.ts"

/** The ways in which a load ends a command. */
export const ways = ["SIGINT", "SIGTERM", "timeout", "removed"] as const

type Way = (typeof ways)[number]

/** The result of one command. */
export interface Ended {
  /** The way it was ended: `SIGINT`, …. For commands that run beside the others, the command line. */
  readonly by: string
  /** `0`, `SIGKILL`, or `stuck` if it did not end in time. */
  readonly exit: string
  /** Its stderr. */
  readonly said: string
}

/** Options of the load. */
export interface EndedOptions {
  readonly scene: SceneName
  readonly runs: number
  readonly atOnce: number
  readonly seed: number
  /** Milliseconds after which no new command starts. */
  readonly atMost: number
}

/** The latest time to end a command, in milliseconds after its start. A command starts within one to three seconds. */
const latest = 4000
/** How long a command may take to end, in milliseconds. */
const endTimeout = 180_000

const Services = Schema.Array(Schema.Struct({ ID: Schema.String }))

/** Removes the current services of this caller, as `docker service rm` does. */
const removeServices = ({ cluster: { manager } }: LoadStage, { pid }: Caller) =>
  Effect.gen(function* () {
    const filters = JSON.stringify({ label: [`task-exec.creator=${hostname()}:${pid}`] })
    const services = yield* get(manager.socket, "/services", Services, { query: { filters } })
    // The caller may have removed it already.
    yield* Effect.forEach(services, ({ ID }) => Effect.ignore(remove(manager.socket, `/services/${ID}`)))
    return services.length > 0
  })

const exitOf = Effect.fnUntraced(function* (caller: Caller) {
  const end = Option.getOrUndefined(yield* Effect.timeoutOption(caller.ended, endTimeout))
  const exit = end === undefined ? "stuck" : String(end.code ?? end.signal)
  return { exit, said: caller.stderr().trim() }
})

const endOne = Effect.fnUntraced(function* (stage: LoadStage, scene: SceneName, dice: Dice) {
  const chosen: Way = scene === "copy" ? dice.pick(["SIGINT", "SIGTERM", "removed"]) : dice.pick(ways)
  const moment = Math.round(dice.between(0, latest))
  const flags = ["--grace", "1s", ...(chosen === "timeout" ? ["--timeout", `${Math.max(1, moment)}ms`] : [])]
  const caller = yield* stage.start(commandOf[scene](stage, dice, flags))
  if (chosen !== "timeout") yield* Effect.sleep(moment)
  // A run that has no service, or not yet, is ended in another way.
  const isRemoved = chosen === "removed" && (yield* removeServices(stage, caller))
  if (chosen === "removed" && !isRemoved) caller.send("SIGTERM")
  if (chosen === "SIGINT" || chosen === "SIGTERM") caller.send(chosen)
  const ended: Ended = { by: chosen === "removed" && !isRemoved ? "SIGTERM" : chosen, ...(yield* exitOf(caller)) }
  return ended
}, Effect.scoped)

/** Starts commands one after the other until the time is up. The last one runs to its end. */
const goOn = Effect.fnUntraced(function* (
  stage: LoadStage,
  scene: SceneName,
  done: Array<Ended>,
  isOver: () => boolean
) {
  const commands = beside[scene] ?? []
  for (let at = 0; commands.length > 0 && !isOver(); at++) {
    const argv = commands[at % commands.length]
    if (argv === undefined) return
    const end = yield* Effect.scoped(Effect.flatMap(stage.start(argv), exitOf))
    done.push({ by: argv.join(" "), ...end })
  }
})

/** Runs the commands. Returns the result of each. */
export const runEnded = Effect.fnUntraced(function* (stage: LoadStage, options: EndedOptions) {
  const { atMost, atOnce, runs, scene, seed } = options
  const deadline = (yield* Clock.currentTimeMillis) + atMost
  const done: Array<Ended> = []
  let isOver = false
  const other = yield* Effect.forkChild(goOn(stage, scene, done, () => isOver))
  yield* Effect.forEach(
    Array.from({ length: runs }, (_, at) => at),
    Effect.fnUntraced(function* (at) {
      if ((yield* Clock.currentTimeMillis) < deadline) done.push(yield* endOne(stage, scene, makeDice(`${seed}/${at}`)))
    }),
    { concurrency: atOnce, discard: true }
  )
  isOver = true
  yield* Fiber.join(other)
  if (scene === "agents") {
    const down = ["task-exec", "agent", "down"] as const
    const end = yield* Effect.scoped(Effect.flatMap(stage.start(down), exitOf))
    done.push({ by: "the last agent down", ...end })
  }
  return done
})

/** Removes the parts of an error text that differ from run to run. */
const without = (said: string): string =>
  said.replaceAll(/\b[a-z0-9]{25,64}\b/g, "ID").replaceAll(/\d+(?:\.\d+)?/g, "N")

/** Counts the results, such as `SIGINT: 130 × 98, 125 × 2`, and lists the error texts that differ. */
export const summary = (done: ReadonlyArray<Ended>): ReadonlyArray<string> =>
  [...Map.groupBy(done, ({ by }) => by)].toSorted().flatMap(([by, all]) => {
    const exits = [...Map.groupBy(all, ({ exit }) => exit)].map(([exit, { length }]) => `${exit} × ${length}`)
    const words = [...Map.groupBy(all, ({ exit, said }) => `${exit}: ${without(said)}`)].map(
      ([said, { length }]) => `  ${length} × ${said.replaceAll("\n", "\n    ")}`
    )
    return [`${by}: ${exits.join(", ")}`, ...words]
  })
