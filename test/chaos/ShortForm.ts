/**
 * The short form, for `npm test`: a fixed list of runs in which every fault happens at least once, while the command runs,
 * with nothing that takes long but what the swarm needs to get well again.
 */
import { drawPlan, type FaultName, forever, type Kind, type Plan } from "./Plan.ts"

/** One run of the short form. */
interface ShortRun {
  readonly faults: readonly [FaultName, ...ReadonlyArray<FaultName>]
  /** A command, unless told. */
  readonly kind?: Kind
  /** There are agents: there are none, unless told. */
  readonly agents?: true
  /** The helper's, unless told. */
  readonly route?: "local"
  /** Whether the caller sees its engine's processes: it does not, unless told. */
  readonly inside?: true
  /** Seconds that the command sleeps; for ever, unless told. */
  readonly length?: number
}

/** The seed of `npm test`. */
export const shortSeed = 1

/** The runs, of which the first has number 1. */
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

/** The run with this number. What its list leaves open is drawn from the seed. Nothing for a number that is not in it. */
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
    // Those that come to their end have the time for that on any machine.
    timeout: run.length === undefined ? 2000 : 60_000,
    grace: 1000,
    length: run.length ?? forever,
    output: [drawn.output[0] >> 3, drawn.output[1] >> 3],
    size: 64 * 1024 * 1024,
    faults: drawn.faults.map((fault, at) => ({
      ...fault,
      ...(isCopy ? { after: "caller", at: 700 } : { after: "command", at: 200 + 100 * at }),
      lasting: 1500
    }))
  }
}
