/** `task-exec --all web …`: one command line for many tasks in, their output and the largest of their exit codes out. */
import { constants } from "node:os"
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Swarm } from "../../src/engine/Swarm.ts"
import type { Signal } from "../../src/executor/ExecSpec.ts"
import type { FleetEvent, TaskOutcome } from "../../src/fleet/FleetEvent.ts"
import { selectLogs, selectTasks } from "../../src/fleet/Selection.ts"
import { TaskExec } from "../../src/TaskExec.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { layOut } from "../LayOut.ts"
import type { LineOf } from "../LineLogger.ts"
import { writeAll, writeText } from "../Output.ts"
import { toJson } from "../Printable.ts"
import { SignalHandlers } from "../RunMain.ts"
import { standardInput } from "../terminal/Terminal.ts"
import type { FleetForm, FleetInvocation } from "./FleetArgs.ts"
import { makeView } from "./FleetView.ts"
import { describeTask, type JsonLines } from "./JsonLines.ts"
import { makeOutDir } from "./OutDir.ts"
import { labelOf } from "./Piece.ts"
import type { StatusLine } from "./StatusLine.ts"
import { exitCodeOfAll, summarize } from "./Summary.ts"

const descriptors = { stdout: 1, stderr: 2 } as const

/** Runs the command in the selected tasks and returns the exit code. `json`: formats the events where the form is `json`. */
export const fleetCommand = Effect.fnUntraced(function* (
  lineOf: LineOf,
  status: StatusLine,
  json: JsonLines,
  { fleet, interactive, quiet, request }: FleetInvocation
) {
  const { followUpdates, form, list, pacing, selection } = fleet
  const isReading = request.action?._tag === "Logs"
  if (list) return yield* listTasks(isReading ? selectLogs(selection) : selectTasks(selection), form)
  const note = (text: string) => writeText(descriptors.stderr, lineOf("Info", text))
  const isSeen = isatty(descriptors.stdout)
  const colour = isSeen && (process.env.NO_COLOR ?? "") === ""
  const view = makeView(form, { colour, terminal: isSeen }, json)
  const outDir = fleet.outDir === undefined ? undefined : yield* makeOutDir(fleet.outDir)
  const signals = yield* stopSignals()
  let outcomes: ReadonlyArray<TaskOutcome> = []
  const show = Effect.fnUntraced(function* (event: FleetEvent) {
    // An action has no process: a signal ends it at once.
    if (event._tag === "Chosen" && request.action === undefined) signals.start()
    if (event._tag === "Finished") outcomes = event.results
    if (outDir !== undefined) yield* outDir.see(event)
    yield* status.see(event)
    const pieces = yield* view(event)
    if (pieces.length > 0) status.clear()
    for (const { bytes, stream } of pieces) yield* writeAll(descriptors[stream], bytes)
  })
  const events = TaskExec.runAll({
    ...request,
    selection,
    pacing,
    followUpdates,
    signals: signals.stream,
    ...(interactive ? { stdin: standardInput } : {})
  })
  yield* Stream.runForEach(events, show).pipe(Effect.provide(TaskExec.layer))
  status.clear()
  const exitCode = signals.exitCode() ?? exitCodeOfAll(outcomes)
  // A log that was printed needs no summary.
  if (!quiet && (!isReading || exitCode !== 0)) yield* note(summarize(outcomes))
  return exitCode
}, Effect.scoped)

const listTasks = Effect.fnUntraced(function* (select: ReturnType<typeof selectTasks>, form: FleetForm) {
  const tasks = yield* Effect.provide(select, Swarm.layer)
  yield* writeText(descriptors.stdout, form === "json" ? jsonLines(tasks) : table(tasks))
  return 0
})

const jsonLines = (tasks: ReadonlyArray<ResolvedTask>): string =>
  tasks.map((task) => `${toJson(describeTask(task))}\n`).join("")

const table = (tasks: ReadonlyArray<ResolvedTask>): string => {
  const rows = tasks.map((task) => [labelOf(task), task.node.hostname, task.id, task.container.slice(0, 12)])
  return layOut([["TASK", "NODE", "ID", "CONTAINER"], ...rows])
    .map((line) => `${line}\n`)
    .join("")
}

/** The first signal goes to every command that runs, and starts no more of them; the second one is a KILL. */
const stopSignals = Effect.fnUntraced(function* () {
  const handlers = yield* SignalHandlers
  const queue = yield* Queue.unbounded<Signal>()
  let first: "SIGINT" | "SIGTERM" | "SIGHUP" | undefined
  return {
    stream: Stream.fromQueue(queue),
    /** To be called when there is something to stop. */
    start: () => {
      handlers.current = (signal) => {
        Queue.offerUnsafe(queue, first === undefined ? signal : "SIGKILL")
        first ??= signal
        return true
      }
    },
    exitCode: () => (first === undefined ? undefined : 128 + constants.signals[first])
  }
})
