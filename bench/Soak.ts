/** The kept soak: what a swarm used while task-exec ran many commands. `npm run load -- soak --keep` writes it. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import { Machine } from "./Machine.ts"

const Bytes = Schema.Record(Schema.String, Schema.Finite)

/** What the swarm used at one moment. */
export const Sample = Schema.Struct({
  /** Time since the first sample. */
  seconds: Schema.Finite,
  /** Number of commands that have ended. */
  runs: Schema.Int,
  /** Resident memory in bytes of the engine of each node. */
  engines: Bytes,
  /** Resident memory in bytes of the agent of each node. */
  agents: Bytes,
  /** The largest resident memory in bytes of a caller that was seen since the sample before. Absent if none was seen. */
  caller: Schema.optionalKey(Schema.Finite),
  /** The largest resident memory in bytes of a helper that was seen since the sample before. Absent if none was seen. */
  helper: Schema.optionalKey(Schema.Finite),
  /** Numbers of objects in the swarm by kind, and of containers on all nodes. */
  objects: Schema.Record(Schema.String, Schema.Int),
  /** Bytes of the manager's Raft log on disk. */
  raft: Schema.Finite
})

/** What the swarm used at one moment. */
export type Sample = typeof Sample.Type

/** The ways of the commands of a soak. */
export const soakKinds = ["local", "helper", "agent", "tunnel"] as const

/** The way of a command of a soak. */
export type SoakKind = (typeof soakKinds)[number]

/** A soak. */
export const Soak = Schema.Struct({
  /** Its end, as in `2026-01-31T12:00:00.000Z`. */
  date: Schema.String,
  /** The commit that ran, with a `+` if files differed from it. Null outside of a repository. */
  commit: Schema.NullOr(Schema.String),
  machine: Schema.Struct({
    processor: Machine.fields.processor,
    cores: Machine.fields.cores,
    memoryGB: Machine.fields.memoryGB,
    kernel: Machine.fields.kernel,
    engine: Machine.fields.engine,
    node: Machine.fields.node
  }),
  /** The largest number of commands that ran at the same time. */
  atOnce: Schema.Int,
  /** Number of commands by way. */
  kinds: Schema.Record(Schema.Literals(soakKinds), Schema.Int),
  /** Number of commands that failed. */
  failed: Schema.Int,
  /** Before the first command, at regular times, and after the last command. */
  samples: Schema.Array(Sample)
})

/** A soak. */
export type Soak = typeof Soak.Type

const Text = Schema.fromJsonString(Soak)

/** Prints a soak, one line for each sample. */
export const printSoak = ({ samples, ...soak }: Soak): string => {
  const lines = samples.map((sample) => `    ${JSON.stringify(sample)}`)
  const head = JSON.stringify(soak, null, 2).slice(0, -2)
  return `${head},\n  "samples": [\n${lines.join(",\n")}\n  ]\n}\n`
}

/** Parses a soak. Throws if the text is invalid. */
export const parseSoak = Schema.decodeUnknownSync(Text)

/** Path of the kept soak in the project's folder. */
export const soakFile = "bench/results/soak.json"

/** Reads the kept soak. `undefined` if there is none yet. */
export const keptSoak = (): Soak | undefined => {
  const file = join(import.meta.dirname, "..", soakFile)
  return existsSync(file) ? parseSoak(readFileSync(file, "utf8")) : undefined
}

/** The number of commands of a soak. */
export const commandsOf = ({ kinds }: Pick<Soak, "kinds">): number =>
  Object.values(kinds).reduce((sum, one) => sum + one, 0)

/** The memory or the number of one thing in the samples that have it. */
export interface Series {
  readonly name: string
  readonly points: ReadonlyArray<{ readonly seconds: number; readonly runs: number; readonly value: number }>
}

/** Series with the same unit. */
export interface SeriesGroup {
  readonly title: string
  readonly unit: "bytes" | "objects"
  readonly series: ReadonlyArray<Series>
}

const seriesOf = ({ samples }: Soak, name: string, value: (sample: Sample) => number | undefined): Series => ({
  name,
  points: samples.flatMap((sample) => {
    const found = value(sample)
    return found === undefined ? [] : [{ seconds: sample.seconds, runs: sample.runs, value: found }]
  })
})

const largest = (of: Readonly<Record<string, number>>): number | undefined => {
  const all = Object.values(of)
  return all.length === 0 ? undefined : Math.max(...all)
}

const sumOf =
  (kinds: ReadonlyArray<string>) =>
  ({ objects }: Sample): number =>
    kinds.reduce((sum, kind) => sum + (objects[kind] ?? 0), 0)

/** The series of a soak, as the chart draws them. The first node is the manager. */
export const groupsOf = (soak: Soak): ReadonlyArray<SeriesGroup> => {
  const of = (name: string, value: (sample: Sample) => number | undefined) => seriesOf(soak, name, value)
  const nodes = Object.keys(soak.samples[0]?.engines ?? {})
  return [
    {
      title: "Resident memory of the engines",
      unit: "bytes",
      series: nodes.map((node, at) => of(`${node}${at === 0 ? ", the manager" : ""}`, ({ engines }) => engines[node]))
    },
    {
      title: "Resident memory of agents, helpers and callers: the largest of each",
      unit: "bytes",
      series: [
        of("agents", ({ agents }) => largest(agents)),
        of("helpers", ({ helper }) => helper),
        of("callers", ({ caller }) => caller)
      ]
    },
    {
      title: "Objects in the swarm, and containers on all nodes",
      unit: "objects",
      series: [
        of("containers", sumOf(["containers"])),
        of("tasks", sumOf(["tasks"])),
        of("services", sumOf(["services"])),
        of("networks, secrets, configs", sumOf(["networks", "secrets", "configs"]))
      ]
    }
  ]
}
