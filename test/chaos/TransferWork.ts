/** Work without a command: copies of one file, and a connection through a forwarded port. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { pollUntil } from "../cluster/Poll.ts"
import { type Caller, startCaller } from "./Caller.ts"
import { type Exchange, echoPort, exchange } from "./Echo.ts"
import { endlessSleep, hasFault } from "./Plan.ts"
import { recordFile } from "./Record.ts"
import { amountOf, contentOf, recordFolder } from "./Script.ts"
import type { Job, MakeWork } from "./Work.ts"

const read = (path: string) => Effect.promise(() => readFile(path).catch(() => undefined))

/** The volume's file of a run on the target's node. It is removed with the scope. */
const fileThere = ({ stage, target, token }: Job) =>
  Effect.acquireRelease(Effect.succeed(recordFile(stage.cluster, target, token)), (path) =>
    Effect.promise(() => rm(path, { force: true }))
  )

const folderHere = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-chaos-"))),
  (dir) => Effect.promise(() => rm(dir, { recursive: true }))
)

/** A copy of one file. */
export const copy = (direction: "in" | "out"): MakeWork =>
  Effect.fnUntraced(function* (job) {
    const content = contentOf(job.plan)
    const here = join(yield* folderHere, "file")
    const there = yield* fileThere(job)
    const [source, destination] = direction === "in" ? [here, there] : [there, here]
    const place = `${job.stage.service}@${job.target.name}:${recordFolder}/${job.token}`
    yield* Effect.promise(() => writeFile(source, content))
    return {
      args: ["cp", ...(direction === "in" ? [here, place] : [place, here])],
      start: startCaller,
      look: (end) =>
        Effect.map(read(destination), (found) => ({
          tasks: [],
          delivery: { amount: amountOf(found, content), isClaimed: end?.code === 0, isStuck: false }
        }))
    }
  })

/** How long a connection may take besides its pause, in milliseconds. task-exec notices a silent node after 15 seconds. */
const connectionSlack = 60_000

/** How long the caller may take to forward, in milliseconds. */
const openTimeout = 180_000

/** The local port that the caller reports. */
const forwardedPort = (caller: Caller) => /:(\d+) -> /.exec(caller.stdout().toString())?.[1]

/** A connection that sends and receives the content. Its client ends the caller as Ctrl-C does. */
export const portForward: MakeWork = Effect.fnUntraced(function* (job) {
  const { plan, stage, target, token } = job
  const content = contentOf(plan)
  const there = yield* fileThere(job)
  let made: Exchange | undefined
  let isStuck = false
  const hangs = plan.length === endlessSleep
  const use = Effect.fnUntraced(function* (caller: Caller) {
    const isOpen = Effect.sync(() => forwardedPort(caller) !== undefined)
    yield* pollUntil(isOpen, { every: 20, atMost: openTimeout, orElse: Effect.never })
    made = yield* exchange(Number(forwardedPort(caller)), token, content, plan.length * 1000)
    const atMost = hangs ? plan.timeout : plan.length * 1000 + connectionSlack
    yield* Effect.timeoutOption(made.over, atMost)
    isStuck = !hangs && made.state() === "open"
    caller.send("SIGINT")
  })
  return {
    args: ["port-forward", `${stage.service}@${target.name}`, `0:${echoPort}`],
    start: Effect.fnUntraced(function* (argv, env, on) {
      const caller = yield* startCaller(argv, env, on)
      yield* Effect.forkScoped(use(caller))
      return caller
    }),
    isUnderWay: () => (made?.received().length ?? 0) > 0,
    look: () =>
      Effect.map(read(there), (arrived) => {
        const amounts = [amountOf(made?.received(), content), amountOf(arrived, content)]
        return {
          tasks: [],
          delivery: {
            amount: (["other bytes", "nothing", "part"] as const).find((one) => amounts.includes(one)) ?? "whole",
            isClaimed: made?.state() === "ended" && !hasFault(plan, ...ends),
            isStuck
          }
        }
      })
  }
})

/** Faults after which the system ends the connection: that of the killed caller or of the server in the task. */
const ends = ["caller-kill", "container-kill", "node-drain", "engine-restart", "leader-kill"] as const
