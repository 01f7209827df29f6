/** The plan of a run, from its seed and number only, so that it can be repeated. */

import { createHash } from "node:crypto"
import { type Dice, makeDice } from "./Dice.ts"

/** The faults that a run can have. */
export const faultNames = [
  "none",
  "caller-kill",
  "caller-int",
  "caller-term",
  "helper-kill",
  "helper-remove",
  "engine-restart",
  "leader-kill",
  "link-down",
  "container-kill",
  "node-drain",
  "socket-cut",
  "socket-slow"
] as const

/** A fault that a run can have. */
export type FaultName = (typeof faultNames)[number]

/** A fault of a plan. */
export interface Fault {
  readonly name: FaultName
  /** Milliseconds after the start of the caller, or after the command was first observed. */
  readonly at: number
  readonly after: "caller" | "command"
  /** Duration in milliseconds, for a temporary fault. */
  readonly lasting: number
  /** Whether the engine is killed instead of stopped. */
  readonly hard: boolean
}

/** The caller's work: one command, the same command in all tasks, or a copy of one file into or out of a task. */
export const kinds = ["command", "fan-out", "copy-in", "copy-out"] as const

/** The caller's work. */
export type Kind = (typeof kinds)[number]

/** The plan of a run. */
export interface Plan {
  readonly seed: number
  readonly number: number
  readonly kind: Kind
  /** The route of the command. For a fan-out, the route to tasks on other nodes. */
  readonly route: "local" | "helper" | "agent"
  /** Whether every node has an agent. */
  readonly agents: boolean
  /** Name of the node whose task is the target. */
  readonly target: string
  /** Name of the manager whose engine the caller talks to. */
  readonly manager: string
  /** Whether the caller runs on that manager's machine, where it sees the engine's processes. */
  readonly inside: boolean
  /** Milliseconds. */
  readonly timeout: number
  /** Milliseconds. */
  readonly grace: number
  /** Seconds that the command sleeps. */
  readonly length: number
  /** Bytes of output before and after the sleep. */
  readonly output: readonly [before: number, after: number]
  /** Bytes of the file that is copied. */
  readonly size: number
  readonly ignoresTerm: boolean
  /** Whether the command starts a process in its own session, which ends only if the command ends by itself. */
  readonly setsid: boolean
  /** The exit code of the command without a fault. */
  readonly exitCode: number
  readonly faults: ReadonlyArray<Fault>
}

/** The managers. The first one has a target, too. */
export const managers = ["node-1", "node-2", "node-3"] as const
/** The other nodes with a target. */
export const workers = ["node-4", "node-5", "node-6"] as const

/** The longest duration of a fault, in milliseconds. */
const longest = (name: FaultName): number => (name === "link-down" ? 20_000 : 10_000)

const drawFault = (dice: Dice, length: number, chosen: FaultName | undefined): Fault => {
  const drawn = dice.pick(faultNames)
  const name = chosen ?? drawn
  return {
    name,
    at: Math.round(dice.between(0, 1000 * (length + 1.5))),
    after: "caller",
    lasting: Math.round(dice.between(1000, longest(name))),
    hard: dice.chance(0.5)
  }
}

/** How many runs in a row have agents, or have none: deploying agents takes longer than a run. */
const block = 10

/** Whether a run has agents on all nodes. */
const hasAgents = (number: number): boolean => Math.floor((number - 1) / block) % 2 === 1

/** Every second run is a command. */
const drawKind = (dice: Dice): Kind =>
  dice.chance(0.5) ? "command" : dice.pick(["fan-out", "fan-out", "copy-in", "copy-out"])

/** Seconds that a command sleeps if it must not end by itself. */
export const endlessSleep = 1000

/** Draws the plan of a run. `only`, one or two faults, replaces the drawn faults, and leaves the rest of the plan unchanged. */
export const drawPlan = (seed: number, number: number, only: ReadonlyArray<FaultName> = []): Plan => {
  const dice = makeDice(`${seed}/${number}`)
  const local = dice.chance(0.3)
  const toManager = dice.chance(0.15)
  const worker = dice.pick(workers)
  const anyManager = dice.pick(managers)
  const otherManager = dice.pick(["node-2", "node-3"])
  const timeout = dice.chance(0.15) ? dice.between(1000, 3000) : dice.between(3000, 8000)
  const grace = dice.between(1000, 2000)
  const usual = dice.chance(0.1) ? 0 : dice.between(0, 4)
  const hangs = dice.chance(0.25)
  const output = dice.chance(0.3) ? 0 : dice.whole(0, 2 * 1024 * 1024)
  const before = Math.round(output * dice.next())
  const ignoresTerm = dice.chance(0.2)
  const setsid = dice.chance(0.3)
  const exitCode = dice.chance(0.75) ? 0 : dice.whole(1, 99)
  const two = dice.chance(0.1)
  const first = drawFault(dice, usual, only[0])
  const second = drawFault(dice, usual, only[1])
  const both = only.length === 0 ? two && second.name !== first.name : only.length > 1
  const faults = both ? [first, second] : [first]
  const inside = dice.chance(0.5)
  const kind = drawKind(dice)
  const size = dice.chance(0.3) ? dice.whole(0, 1000) : dice.whole(0, 32 * 1024 * 1024)
  // The local route has no helper. A fan-out uses every route.
  const needsHelper = kind === "fan-out" || faults.some(({ name }) => name.startsWith("helper-"))
  const agents = hasAgents(number)
  const route = local && !needsHelper ? "local" : agents ? "agent" : "helper"
  return {
    seed,
    number,
    kind,
    route,
    agents,
    target: route === "local" || toManager ? "node-1" : worker,
    manager: route === "local" ? "node-1" : toManager ? otherManager : anyManager,
    inside,
    timeout: Math.round(timeout),
    grace: Math.round(grace),
    length: hangs ? endlessSleep : Math.round(usual * 10) / 10,
    output: [before, output - before],
    size,
    ignoresTerm,
    setsid,
    exitCode,
    faults
  }
}

/** The faults of a run as one word. */
export const faultsOf = ({ faults }: Plan): string => faults.map(({ name }) => name).join("+")

/** Folder in a volume of each node to which commands record that they ran. */
export const recordFolder = "/chaos"

/** The line that a command's output repeats. */
const line = ({ seed, number }: Plan) => `run ${number} of seed ${seed}, and some more text to have a longer line`

/** The shell script of the command. It records its start and its end in the file `record`. */
export const scriptOf = (plan: Plan, record: string): string => {
  const write = (bytes: number) => (bytes === 0 ? "" : `yes '${line(plan)}' | head -c ${bytes}`)
  const child = `until grep -q end ${record}; do sleep 0.3; done`
  return [
    `echo 'start ${plan.number}' >> ${record}`,
    plan.ignoresTerm ? "trap '' TERM" : "",
    plan.setsid ? `{ setsid sh -c '${child}' </dev/null >/dev/null 2>&1 & }` : "",
    write(plan.output[0]),
    `sleep ${plan.length}`,
    write(plan.output[1]),
    `echo 'end ${plan.number}' >> ${record}`,
    `exit ${plan.exitCode}`
  ]
    .filter((part) => part !== "")
    .join("; ")
}

/** The whole output of the command, without a fault. */
export const outputOf = (plan: Plan): Buffer =>
  Buffer.concat(plan.output.map((bytes) => Buffer.alloc(bytes, `${line(plan)}\n`)))

/** The file that is copied. */
export const contentOf = (plan: Plan): Buffer => Buffer.alloc(plan.size, `${line(plan)}\n`)

/** The first characters of the SHA-256. */
export const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 16)
