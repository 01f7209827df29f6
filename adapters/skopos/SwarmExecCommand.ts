/** The command `swarm-exec`: the Skopos plugin, its subcommands `task-exec` and `exec`, and aliases for verbs of `task-exec`. */
import * as Effect from "effect/Effect"
import { imageCommands } from "../../src/ImageCommands.ts"
import { version } from "../../src/Version.ts"
import { isOwnVerb, runVerb } from "../cli/Verbs.ts"
import { writeText } from "../Output.ts"

/** Runs one command line and returns its exit code. Loads only the code of the subcommand. */
export const swarmExecCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.suspend(() => {
    const [first, ...rest] = argv
    if (isOwnVerb(first)) return runVerb("swarm-exec", first, rest)
    // The rule of the original plugin for --help.
    if (first === undefined || argv.slice(0, 2).includes("--help")) return plugin(["--help"])
    switch (first) {
      case "--version":
        return Effect.as(Effect.ignore(writeText(1, `swarm-exec ${version}\n`)), 0)
      case imageCommands.guard:
        return Effect.promise(() => import("../helper/GuardCommand.ts")).pipe(
          Effect.flatMap((_) => _.guardRunCommand(rest))
        )
      case imageCommands.removeRuns:
        return Effect.promise(() => import("../helper/RemoveRunsCommand.ts")).pipe(
          Effect.flatMap((_) => _.removeRunsCommand(rest))
        )
      case "task-exec":
        return Effect.promise(() => import("../cli/TaskExecCommand.ts")).pipe(
          Effect.flatMap((_) => _.taskExecCommand("swarm-exec task-exec", rest))
        )
      case "exec":
        return Effect.promise(() => import("./ContainerExecCommand.ts")).pipe(
          Effect.flatMap((_) => _.containerExecCommand(rest))
        )
      default:
        return plugin(argv)
    }
  })

const plugin = (argv: ReadonlyArray<string>) =>
  Effect.promise(() => import("./PluginCommand.ts")).pipe(Effect.flatMap((_) => _.pluginCommand(argv)))
