/** What one run does, drawn from the seed and its number alone, so that it can be done again. */

import { createHash } from "node:crypto"
import { type Dice, makeDice } from "./Dice.ts"

/** What can happen to a run. */
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

/** What can happen to a run. */
export type FaultName = (typeof faultNames)[number]

/** One thing that happens. */
export interface Fault {
  readonly name: FaultName
  /** Milliseconds after the start of the caller, or after the command is first seen to run. */
  readonly at: number
  readonly after: "caller" | "command"
  /** Milliseconds until it is over, where it lasts. */
  readonly lasting: number
  /** The engine is killed, not asked to end. */
  readonly hard: boolean
}

/** What the caller is for: one command, the same command in all tasks, or one file into a task or out of it. */
export const kinds = ["command", "fan-out", "copy-in", "copy-out"] as const

/** What the caller is for. */
export type Kind = (typeof kinds)[number]

/** What one run does. */
export interface Plan {
  readonly seed: number
  readonly number: number
  readonly kind: Kind
  /** For a fan-out that of the tasks on other nodes. */
  readonly route: "local" | "helper" | "agent"
  /** There is an agent on every node. */
  readonly agents: boolean
  /** Name of the node whose task is the target. */
  readonly target: string
  /** Name of the manager whose engine the caller talks to. */
  readonly manager: string
  /** The caller is on that manager's machine, and sees its engine's processes. */
  readonly inside: boolean
  /** Milliseconds. */
  readonly timeout: number
  /** Milliseconds. */
  readonly grace: number
  /** Seconds that the command sleeps. */
  readonly length: number
  /** Bytes of output before and after that. */
  readonly output: readonly [before: number, after: number]
  /** Bytes of the file that is copied. */
  readonly size: number
  readonly ignoresTerm: boolean
  /** It starts a process in a session of its own, which ends only when the command came to its end. */
  readonly setsid: boolean
  /** What the command ends with when nothing happens to it. */
  readonly exitCode: number
  readonly faults: ReadonlyArray<Fault>
}

/** The managers, of which the first has a target too. */
export const managers = ["node-1", "node-2", "node-3"] as const
/** The other nodes with a target. */
export const workers = ["node-4", "node-5", "node-6"] as const

/** Longest duration of a fault, in milliseconds. */
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

/** So many runs have no agents, and so many after them have: to deploy agents takes longer than a run. */
const block = 10

/** Whether a run has agents on all nodes. */
const hasAgents = (number: number): boolean => Math.floor((number - 1) / block) % 2 === 1

/** Every second run is of a command. */
const drawKind = (dice: Dice): Kind =>
  dice.chance(0.5) ? "command" : dice.pick(["fan-out", "fan-out", "copy-in", "copy-out"])

/** Seconds that a command sleeps which is not to come to its end. */
export const forever = 1000

/** Draws the run. `only`, one or two faults, replaces what would happen and leaves the rest as it is. */
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
  // There is no helper on the local route; a fan-out takes every route.
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
    length: hangs ? forever : Math.round(usual * 10) / 10,
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

/** Folder, kept by a volume of each node, in which commands write down that they ran. */
export const recordFolder = "/chaos"

/** The line of which a command's output consists. */
const line = ({ seed, number }: Plan) => `run ${number} of seed ${seed}, and some more text to have a longer line`

/** What the shell in the target is told. `record` is the file in which it writes that it started and ended. */
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

/** All of the command's output, when nothing happens to it. */
export const outputOf = (plan: Plan): Buffer =>
  Buffer.concat(plan.output.map((bytes) => Buffer.alloc(bytes, `${line(plan)}\n`)))

/** The file that is copied. */
export const contentOf = (plan: Plan): Buffer => Buffer.alloc(plan.size, `${line(plan)}\n`)

/** SHA-256, the beginning of it. */
export const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex").slice(0, 16)
