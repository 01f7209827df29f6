/** The plan of a run, from its seed and number only, so that it can be repeated. */
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
  /** Milliseconds after the start of the caller, or after its work was first observed. */
  readonly at: number
  readonly after: "caller" | "work"
  /** Duration in milliseconds, for a temporary fault. */
  readonly lasting: number
  /** Whether the engine is killed instead of stopped. */
  readonly hard: boolean
}

/**
 * The caller's work: a command in one task, the same on a terminal, in all tasks or in a task of its own; a copy of one file into or out of
 * a task; one connection through a forwarded port.
 */
export const kinds = ["command", "terminal", "fan-out", "one-off", "copy-in", "copy-out", "port-forward"] as const

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
  /** Seconds that the command, or the client of the forwarded port, sleeps. */
  readonly length: number
  /** Bytes of output before and after the sleep. */
  readonly output: readonly [before: number, after: number]
  /** Bytes of the file that is copied, or that are sent through the forwarded port. */
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

/** The longest duration of a fault, in milliseconds. Silence is noticed after 15 seconds. */
const longest = (name: FaultName): number => (name === "link-down" ? 20_000 : 8_000)

const drawFault = (dice: Dice, latest: number, chosen: FaultName | undefined): Fault => {
  const drawn = dice.pick(faultNames)
  const name = chosen ?? drawn
  return {
    name,
    at: Math.round(dice.between(0, latest)),
    after: "caller",
    lasting: Math.round(dice.between(1000, longest(name))),
    hard: dice.chance(0.5)
  }
}

/** The most milliseconds between the two faults of a run. */
const apart = 1000

/** The probability that a second fault is drawn. In a fifth of these runs, it is the first one again, or one of the two is `none`. */
const secondFault = 0.42

/** How many runs in a row have agents, or have none: deploying agents takes longer than a run. */
const block = 10

/** Whether a run has agents on all nodes. */
const hasAgents = (number: number): boolean => Math.floor((number - 1) / block) % 2 === 1

const drawKind = (dice: Dice): Kind => dice.pick(["command", ...kinds])

/** Seconds that a command sleeps if it must not end by itself. */
export const endlessSleep = 1000

/** Replaces the drawn faults, one or two, and the drawn kind. The rest of the plan remains as drawn. */
export interface Choice {
  readonly faults?: ReadonlyArray<FaultName>
  readonly kind?: Kind | undefined
}

/** Draws the plan of a run. */
export const drawPlan = (seed: number, number: number, choice: Choice = {}): Plan => {
  const dice = makeDice(`${seed}/${number}`)
  const local = dice.chance(0.3)
  const toManager = dice.chance(0.15)
  const worker = dice.pick(workers)
  const anyManager = dice.pick(managers)
  const otherManager = dice.pick(["node-2", "node-3"])
  const timeout = dice.chance(0.15) ? dice.between(1000, 2500) : dice.between(2500, 6000)
  const grace = dice.between(1000, 2000)
  const usual = dice.chance(0.1) ? 0 : dice.between(0, 3)
  const hangs = dice.chance(0.2)
  const output = dice.chance(0.3) ? 0 : dice.whole(0, 2 * 1024 * 1024)
  const before = Math.round(output * dice.next())
  const ignoresTerm = dice.chance(0.2)
  const setsid = dice.chance(0.3)
  const exitCode = dice.chance(0.75) ? 0 : dice.whole(1, 99)
  const two = dice.chance(secondFault)
  const [onlyFirst, onlySecond] = choice.faults ?? []
  const first = drawFault(dice, 1000 * (usual + 1.5), onlyFirst)
  const drawn = drawFault(dice, apart, onlySecond)
  const second = { ...drawn, at: first.at + drawn.at }
  const differ = first.name !== second.name && ![first, second].some(({ name }) => name === "none")
  const both = onlyFirst === undefined ? two && differ : onlySecond !== undefined
  const faults = both ? [first, second] : [first]
  const inside = dice.chance(0.5)
  const drawnKind = drawKind(dice)
  const kind = choice.kind ?? drawnKind
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
    // The client of a forwarded port is not in the manager's network.
    inside: inside && kind !== "port-forward",
    timeout: Math.round(timeout),
    grace: Math.round(grace),
    length: hangs ? endlessSleep : Math.round(usual * 10) / 10,
    output: [before, output - before],
    // Faults make connections slow.
    size: kind === "port-forward" ? size >> 4 : size,
    ignoresTerm,
    setsid,
    exitCode,
    faults
  }
}

/** Whether the work moves bytes and has no command. */
export const isTransfer = ({ kind }: Plan): boolean => ["copy-in", "copy-out", "port-forward"].includes(kind)

/** Whether one of these faults is in the plan. */
export const hasFault = ({ faults }: Plan, ...names: ReadonlyArray<FaultName>): boolean =>
  faults.some(({ name }) => names.includes(name))

/** The faults of a run as one word. */
export const faultsOf = ({ faults }: Plan): string => faults.map(({ name }) => name).join("+")
