/**
 * The short form, for `npm test`: a fixed list of runs in which every fault happens at least once while the command runs. Only the recovery
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
  { faults: ["caller-int"] },
  { faults: ["caller-term"], route: "local" },
  { faults: ["caller-kill"] },
  { faults: ["caller-kill"], route: "local" },
  { faults: ["caller-kill"], route: "local", inside: true },
  { faults: ["helper-kill"] },
  { faults: ["helper-remove"] },
  { faults: ["socket-cut"], length: 1.5 },
  { faults: ["socket-slow"], length: 1.5 },
  { faults: ["caller-kill", "helper-kill"] },
  { faults: ["container-kill"] },
  { faults: ["node-drain"] },
  { faults: ["link-down"] },
  { faults: ["engine-restart"] },
  { faults: ["leader-kill"] },
  { faults: ["none"], kind: "fan-out", length: 0.5 },
  { faults: ["caller-kill"], kind: "fan-out" },
  { faults: ["caller-int"], kind: "copy-in" },
  { faults: ["helper-kill"], kind: "copy-out" },
  { faults: ["helper-kill"], agents: true },
  { faults: ["helper-remove"], kind: "fan-out", agents: true },
  { faults: ["caller-term"], kind: "copy-in", agents: true },
  { faults: ["none"], kind: "copy-out", agents: true }
]

/**
 * The plan of the run with this number. Fields that the list does not set are drawn from the seed. `undefined` for a number outside of the
 * list.
 */
export const drawShortPlan = (seed: number, number: number): Plan | undefined => {
  const run = shortForm[number - 1]
  if (run === undefined) return undefined
  const drawn = drawPlan(seed, number, run.faults)
  const { agents = false, kind = "command" } = run
  const route = run.route ?? (agents ? "agent" : "helper")
  const isCopy = kind === "copy-in" || kind === "copy-out"
  return {
    ...drawn,
    kind,
    agents,
    route,
    ...(route === "local" ? { target: "node-1", manager: "node-1" } : { target: "node-5", manager: "node-2" }),
    inside: run.inside ?? false,
    // Commands that end by themselves have enough time for that on any machine.
    timeout: run.length === undefined ? 2000 : 60_000,
    grace: 1000,
    length: run.length ?? endlessSleep,
    output: [drawn.output[0] >> 3, drawn.output[1] >> 3],
    size: 64 * 1024 * 1024,
    faults: drawn.faults.map((fault, at) => ({
      ...fault,
      ...(isCopy ? { after: "caller", at: 700 } : { after: "command", at: 200 + 100 * at }),
      lasting: 1500
    }))
  }
}
