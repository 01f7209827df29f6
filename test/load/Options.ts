/** The command line of the load script. */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { engineVersions } from "../cluster/NewerEngine.ts"
import { type SceneName, sceneNames } from "./Scenes.ts"

/** What `--help` prints. */
export const usage = `Usage: npm run load -- MODE [--runs N] [--at-once N] [--engine ${engineVersions.join(" | ")}] [--seed S] [--minutes M]

Runs many commands with task-exec on a real swarm of three nodes on this machine, and reports what that does to the
engines. Uses the swarm that TASK_EXEC_CLUSTER names, or brings one up and takes it down. Needs what \`npm run build\` makes.
Exit code 1 if an engine crashed, if a run failed that should succeed, or if anything is left behind.

Modes in which every command is ended at a random moment (SIGINT, SIGTERM, its timeout, or the removal of its helper's
service by somebody else), and after which no engine may have crashed:

  run            commands in tasks on other nodes
  fleet          commands in all tasks of a service
  copy           copies out of tasks on other nodes
  agents         agents that come and go, with commands beside them
  gc             sweeps, with commands beside them

Modes that measure:

  tunnels        commands with a tunnel: all at once (--at-once, default 20), then one after the other right after
                 "agent down" (--runs, default 50)
  soak           short commands, local, remote and with a tunnel: the store's size on disk, the engines' memory and the
                 number of objects, before and after (--runs, default 2000)

  --runs N       number of commands (default 400)
  --at-once N    number of commands at the same time (default 16; of a soak 8)
  --engine V     version of the engine of a swarm that is brought up (default: this machine's own)
  --seed S       what all chance comes from (default: another one each time; it is printed)
  --minutes M    no new command begins after it
  --help         this text`

/** The command line makes no sense. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}\n\n${usage}`
  }
}

/** What to do. */
export type Mode = SceneName | "tunnels" | "soak"

/** What to do, and how much of it. */
export interface Options {
  readonly mode: Mode
  readonly runs: number
  readonly atOnce: number
  /** Of a swarm that is brought up. */
  readonly engine: string | undefined
  readonly seed: number | undefined
  /** Milliseconds after which no new command begins. */
  readonly atMost: number
}

const defaults = (mode: Mode): { readonly runs: number; readonly atOnce: number } => {
  if (mode === "tunnels") return { runs: 50, atOnce: 20 }
  return mode === "soak" ? { runs: 2000, atOnce: 8 } : { runs: 400, atOnce: 16 }
}

const whole = (name: string, text: string): Effect.Effect<number, WrongUsage> => {
  const value = Number(text)
  return Number.isInteger(value) && value >= 1
    ? Effect.succeed(value)
    : Effect.fail(new WrongUsage({ detail: `--${name} takes a number from 1, not ${JSON.stringify(text)}` }))
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
          help: { type: "boolean", short: "h", default: false }
        }
      }),
    catch: (error) => new WrongUsage({ detail: error instanceof Error ? error.message : String(error) })
  })
  if (values.help) return undefined
  const modes: ReadonlyArray<Mode> = [...sceneNames, "tunnels", "soak"]
  const mode = modes.find((name) => positionals.length === 1 && name === positionals[0])
  if (mode === undefined) return yield* new WrongUsage({ detail: `it takes one mode: ${modes.join(", ")}` })
  const { atOnce, runs } = defaults(mode)
  return {
    mode,
    runs: yield* whole("runs", values.runs ?? String(runs)),
    atOnce: yield* whole("at-once", values["at-once"] ?? String(atOnce)),
    engine: values.engine,
    seed: values.seed === undefined ? undefined : yield* whole("seed", values.seed),
    atMost: 60_000 * (yield* whole("minutes", values.minutes))
  }
})
