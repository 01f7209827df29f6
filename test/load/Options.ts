/** The command line of the load script. */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { engineVersions } from "../cluster/NewerEngine.ts"
import { type SceneName, sceneNames } from "./Scenes.ts"

/** The output of `--help`. */
export const usage = `Usage: npm run load -- MODE [--runs N] [--at-once N] [--engine ${engineVersions.join(" | ")}] [--seed S] [--minutes M] [--keep]

Runs many commands on a swarm of three nodes on this machine, and reports the effect on the engines. Starts the swarm and
removes it, unless TASK_EXEC_CLUSTER names a running one. Exit code: 1 if an engine crashed, if a run failed that should
succeed, or if anything is left behind.

Modes that end every command at a random moment (SIGINT, SIGTERM, its timeout, or by removing its helper's service), and
then check that no engine has crashed:

  run            commands in tasks on other nodes
  fleet          commands in all tasks of a service
  copy           copies from tasks on other nodes
  agents         agent up and agent down while commands run
  gc             sweeps while commands run

Modes that measure:

  tunnels        commands with a tunnel: all at once (--at-once, default 20), then one after the other right after
                 "agent down" (--runs, default 50)
  soak           short commands: local, by a helper, by an agent and with a tunnel. Samples every 30 s the memory of engines,
                 agents, helpers and callers, the number of objects, and the size of the store on disk (--runs, default
                 2000)

Options:

  --runs N       number of commands (default 400)
  --at-once N    number of simultaneous commands (default 16; soak: 8)
  --engine V     version of the engine of the started swarm (default: this machine's own)
  --seed S       seed of the random choices (default: a new one, which is printed)
  --minutes M    start no command after M minutes
  --keep         soak: replace bench/results/soak.json with the samples, and generate the pages and the charts
  --help         print this text`

/** The command line is invalid. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}\n\n${usage}`
  }
}

/** A mode of the load script. */
export type Mode = SceneName | "tunnels" | "soak"

/** The parsed command line. */
export interface Options {
  readonly mode: Mode
  readonly runs: number
  readonly atOnce: number
  /** The engine of the started swarm. */
  readonly engine: string | undefined
  readonly seed: number | undefined
  /** Milliseconds after which no command starts. */
  readonly atMost: number
  /** Replace the kept soak. */
  readonly keep: boolean
}

const defaults = (mode: Mode): { readonly runs: number; readonly atOnce: number } => {
  if (mode === "tunnels") return { runs: 50, atOnce: 20 }
  return mode === "soak" ? { runs: 2000, atOnce: 8 } : { runs: 400, atOnce: 16 }
}

const whole = (name: string, text: string): Effect.Effect<number, WrongUsage> => {
  const value = Number(text)
  return Number.isInteger(value) && value >= 1
    ? Effect.succeed(value)
    : Effect.fail(
        new WrongUsage({ detail: `invalid --${name} ${JSON.stringify(text)}: expected a number greater than 0` })
      )
}

/** Reads the command line; undefined if it asks for help. */
export const parseOptions = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>
): Effect.fn.Return<Options | undefined, WrongUsage> {
  const { positionals, values } = yield* Effect.try({
    try: () =>
      parseArgs({
        args: [...argv],
        allowPositionals: true,
        options: {
          runs: { type: "string" },
          "at-once": { type: "string" },
          engine: { type: "string" },
          seed: { type: "string" },
          minutes: { type: "string", default: "100000" },
          keep: { type: "boolean", default: false },
          help: { type: "boolean", short: "h", default: false }
        }
      }),
    catch: (error) => new WrongUsage({ detail: error instanceof Error ? error.message : String(error) })
  })
  if (values.help) return undefined
  const modes: ReadonlyArray<Mode> = [...sceneNames, "tunnels", "soak"]
  const mode = modes.find((name) => positionals.length === 1 && name === positionals[0])
  if (mode === undefined) return yield* new WrongUsage({ detail: `expected one MODE: ${modes.join(", ")}` })
  if (values.keep && mode !== "soak") return yield* new WrongUsage({ detail: `--keep and ${mode} cannot be combined` })
  const { atOnce, runs } = defaults(mode)
  return {
    mode,
    runs: yield* whole("runs", values.runs ?? String(runs)),
    atOnce: yield* whole("at-once", values["at-once"] ?? String(atOnce)),
    engine: values.engine,
    seed: values.seed === undefined ? undefined : yield* whole("seed", values.seed),
    atMost: 60_000 * (yield* whole("minutes", values.minutes)),
    keep: values.keep
  }
})
