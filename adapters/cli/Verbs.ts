/** The verbs of `task-exec`: loads a verb's module and runs it. */
import * as Effect from "effect/Effect"
import { ownFile } from "../../src/executor/OwnProgram.ts"
import type { CommandHelp } from "../command/Help.ts"
import type { ExecVerb } from "./ExecVerb.ts"
import type { VerbName } from "./VerbNames.ts"

/** A verb with a module of its own. */
export type OwnVerb = Exclude<VerbName, "exec" | "help" | "version">

/** A loaded verb. */
export interface Verb {
  readonly help: CommandHelp
  /** Runs a command line and returns its exit code. `program` is what the user typed before the verb: `task-exec`. */
  readonly run: (program: string, argv: ReadonlyArray<string>) => Effect.Effect<number>
}

/** Loads a verb that has the flags of `exec`. */
const likeExec = (load: () => Promise<ExecVerb>) => async (): Promise<Verb> => {
  const [verb, { calledBy, runLine }] = await Promise.all([load(), import("./ExecLine.ts")])
  return { help: verb.help, run: (program, argv) => runLine(calledBy(program, verb), argv) }
}

const loaders: Readonly<Record<OwnVerb, () => Promise<Verb>>> = {
  agent: () => import("../agent/AgentCommand.ts").then((_) => ({ help: _.help, run: _.agentCommand })),
  completion: () => import("./Completion.ts").then((_) => ({ help: _.help, run: _.completionCommand })),
  cp: async () => {
    const [{ cpHelp }, { cpCommand }] = await Promise.all([import("../cp/CpArgs.ts"), import("../cp/CpCommand.ts")])
    return { help: cpHelp, run: cpCommand }
  },
  debug: likeExec(() => import("./Debug.ts").then((_) => _.debug)),
  doctor: () => import("../doctor/DoctorCommand.ts").then((_) => ({ help: _.help, run: _.doctorCommand })),
  gc: () => import("../gc/GcCommand.ts").then((_) => ({ help: _.help, run: _.gcCommand })),
  ls: () => import("../ls/LsCommand.ts").then((_) => ({ help: _.help, run: _.lsCommand })),
  "install-plugin": () =>
    import("../docker/InstallPlugin.ts").then((_) => ({
      help: _.help,
      run: (program, argv) => _.installPluginCommand(program, ownFile(), argv)
    })),
  "port-forward": async () => {
    const [{ forwardHelp }, { forwardCommand }] = await Promise.all([
      import("../forward/ForwardArgs.ts"),
      import("../forward/ForwardCommand.ts")
    ])
    return { help: forwardHelp, run: forwardCommand }
  },
  logs: likeExec(() => import("./Logs.ts").then((_) => _.logs)),
  run: likeExec(() => import("./Run.ts").then((_) => _.run)),
  signal: likeExec(() => import("./Signal.ts").then((_) => _.signal)),
  wait: () => import("../wait/WaitCommand.ts").then((_) => ({ help: _.help, run: _.waitCommand }))
}

/** The verbs with modules of their own. */
export const ownVerbs = [
  "agent",
  "completion",
  "cp",
  "debug",
  "doctor",
  "gc",
  "install-plugin",
  "logs",
  "ls",
  "port-forward",
  "run",
  "signal",
  "wait"
] as const satisfies ReadonlyArray<OwnVerb>

/** Whether a word is a verb with a module of its own. */
export const isOwnVerb = (word: string | undefined): word is OwnVerb => ownVerbs.some((name) => name === word)

/** Loads a verb's module only. */
export const loadVerb = (name: OwnVerb): Effect.Effect<Verb> => Effect.promise(loaders[name])

/** Runs a verb's command line and returns its exit code. */
export const runVerb = (program: string, name: OwnVerb, argv: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.flatMap(loadVerb(name), ({ run }) => run(program, argv))
