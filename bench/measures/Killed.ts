/** `killed`: the time from `kill -9` of the caller until the command has ended and every object of the run is removed. */
import { spawn } from "node:child_process"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { get } from "../../test/cluster/EngineApi.ts"
import { leftovers } from "../../test/cluster/Leftovers.ts"
import { signalInside } from "../../test/cluster/Machine.ts"
import { poll } from "../../test/cluster/Poll.ts"
import { compare } from "../Comparison.ts"
import { type Bench, on, quartered, taskExec } from "../Contenders.ts"
import { type Contender, inTurns, type MeasureOptions, runTimeout, WrongResult } from "../Measure.ts"
import type { Stage, TaskOnNode } from "../Stage.ts"
import { agents } from "./Agent.ts"

/** How long a run lasts before its caller is killed, in milliseconds. Short runs have no guard. */
const before = 5000

/** Identifies the command among the container's processes. */
const mark = "98765"

const Top = Schema.Struct({ Processes: Schema.Array(Schema.Array(Schema.String)) })

/** Whether the command runs in the task's container. */
const isRunning = ({ container, node }: TaskOnNode) =>
  Effect.map(get(node.socket, `/containers/${container}/top`, Top), ({ Processes }) =>
    Processes.some((columns) => columns.some((text) => text.includes(mark)))
  )

/** Starts the caller. Returns an effect that kills it once the command has written its line. */
const start = ({ argv: [file = "", ...args], name }: Contender, env: MeasureOptions["env"]) =>
  Effect.acquireRelease(
    Effect.callback<() => void, WrongResult>((resume) => {
      const child = spawn(file, args, { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] })
      let errors = ""
      child.stderr.on("data", (chunk: Buffer) => {
        errors += chunk.toString()
      })
      const kill = () => signalInside(child, "SIGKILL")
      child.stdout.once("data", () => resume(Effect.succeed(kill)))
      child.once("close", () => resume(Effect.fail(new WrongResult({ command: name, detail: `it ended: ${errors}` }))))
    }),
    (kill) => Effect.sync(kill)
  )

/** Seconds from the kill to the end of the command, and until every object of the run is gone. */
const takeOne = Effect.fnUntraced(function* (
  contender: Contender,
  task: TaskOnNode,
  { cluster }: Stage,
  { env }: MeasureOptions
) {
  const kill = yield* start(contender, env)
  yield* Effect.sleep(before)
  const begun = performance.now()
  yield* Effect.sync(kill)
  const waitFor = <E, R>(isSo: Effect.Effect<boolean, E, R>, what: string) =>
    poll(
      Effect.map(isSo, (so) => (so ? Option.some((performance.now() - begun) / 1000) : Option.none())),
      {
        every: 100,
        atMost: runTimeout,
        orElse: Effect.fail(
          new WrongResult({ command: contender.name, detail: `${what} after ${runTimeout / 1000} s` })
        )
      }
    )
  const [ended, gone] = yield* Effect.all(
    [
      waitFor(
        Effect.map(isRunning(task), (is) => !is),
        "the command runs"
      ),
      waitFor(
        Effect.map(leftovers(cluster, { timeout: 0 }), (items) => items.length === 0),
        "something is left"
      )
    ],
    { concurrency: 2 }
  )
  return { ended, gone }
}, Effect.scoped)

/** Kills a caller on each route. */
export const killed = Effect.fn("Measure.killed")(function* ({ options, stage }: Bench) {
  const { local, manager, remote } = stage
  const { runs } = quartered(options)
  yield* Console.error("deploying agents")
  yield* agents(options)
  const command = ["sh", "-c", `echo up; sleep ${mark}`]
  const routes = [
    { of: "the caller of a task on the connected engine", task: local, flags: [] },
    { of: "the caller, through a helper", task: remote, flags: ["--via", "helper"] },
    { of: "the caller, through an agent", task: remote, flags: ["--via", "agent"] }
  ]
  yield* Console.error(`measuring killed callers: ${routes.length} routes, 1 + ${runs} times each`)
  const taken = yield* inTurns(
    routes.map(({ flags, task }) =>
      takeOne(on(manager, taskExec(...flags, task.target, ...command)), task, stage, options)
    ),
    runs
  )
  return routes.map(({ of }, at) => {
    const samples = taken[at] ?? []
    return compare(
      { measure: "killed", title: `After kill -9 of ${of}`, unit: "seconds" },
      { name: "until every object of the run is gone", samples: samples.map(({ gone }) => gone) },
      [{ name: "until the command is gone", samples: samples.map(({ ended }) => ended) }]
    )
  })
}, Effect.scoped)
