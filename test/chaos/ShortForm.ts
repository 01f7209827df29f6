/**
 * The short form, for `npm test`: a fixed list of runs with every fault, and every kind of work with and without agents. Only the recovery
 * of the swarm takes long.
 */
import { drawPlan, endlessSleep, type FaultName, type Kind, type Plan } from "./Plan.ts"

/** One run of the short form. */
interface ShortRun {
  readonly faults: readonly [FaultName, ...ReadonlyArray<FaultName>]
  /** Default: a command. */
  readonly kind?: Kind
  /** Whether there are agents. Default: none. */
  readonly agents?: true
  /** Default: `helper`. */
  readonly route?: "local"
  /** Whether the caller sees its engine's processes. Default: no. */
  readonly inside?: true
  /** Seconds that the command sleeps. Default: forever. */
  readonly length?: number
}

/** The seed of `npm test`. */
export const shortSeed = 1

/** The runs. The first one has number 1. */
export const shortForm: ReadonlyArray<ShortRun> = [
  { faults: ["none"], length: 0.5 },
  { faults: ["caller-term"], route: "local" },
  { faults: ["caller-kill"], route: "local", inside: true },
  { faults: ["caller-kill", "helper-kill"] },
  { faults: ["link-down"] },
  { faults: ["engine-restart"] },
  { faults: ["leader-kill", "socket-cut"] },
  { faults: ["node-drain"], kind: "fan-out" },
  { faults: ["helper-kill"], kind: "terminal" },
  { faults: ["container-kill"], kind: "one-off" },
  { faults: ["caller-int"], kind: "copy-in" },
  { faults: ["helper-remove"], kind: "copy-out" },
  { faults: ["socket-slow"], kind: "port-forward", length: 0.5 },
  { faults: ["helper-kill"], agents: true },
  { faults: ["helper-remove"], kind: "fan-out", agents: true },
  { faults: ["caller-int"], kind: "terminal", agents: true },
  { faults: ["caller-kill"], kind: "one-off", agents: true },
  { faults: ["caller-term"], kind: "copy-in", agents: true },
  { faults: ["none"], kind: "copy-out", agents: true },
  { faults: ["socket-cut"], kind: "port-forward", agents: true }
]

/**
 * The plan of the run with this number. Fields that the list does not set are drawn from the seed. `undefined` for a number outside of the
 * list.
 */
export const drawShortPlan = (seed: number, number: number): Plan | undefined => {
  const run = shortForm[number - 1]
  if (run === undefined) return undefined
  const { agents = false, faults, kind = "command" } = run
  const drawn = drawPlan(seed, number, { faults, kind })
  const route = run.route ?? (agents ? "agent" : "helper")
  const isCopy = kind === "copy-in" || kind === "copy-out"
  return {
    ...drawn,
    agents,
    route,
    ...(route === "local" ? { target: "node-1", manager: "node-1" } : { target: "node-5", manager: "node-2" }),
    inside: run.inside ?? false,
    // Commands that end by themselves have enough time for that on any machine.
    timeout: run.length === undefined ? 2000 : 60_000,
    grace: 1000,
    length: run.length ?? endlessSleep,
    output: [drawn.output[0] >> 3, drawn.output[1] >> 3],
    size: isCopy ? 64 * 1024 * 1024 : 1024 * 1024,
    faults: drawn.faults.map((fault, at) => ({
      ...fault,
      // Nothing shows that a copy has begun.
      ...(isCopy ? { after: "caller", at: 700 } : { after: "work", at: 200 + 100 * at }),
      lasting: 1500
    }))
  }
}
