/** The command `swarm-exec`: the Skopos plugin, and the subcommands beside it. */
import * as Effect from "effect/Effect"
import { ownFile } from "../../src/executor/OwnProgram.ts"
import { imageCommands } from "../../src/ImageCommands.ts"
import { version } from "../../src/Version.ts"
import { writeText } from "../Output.ts"

/** Runs one command line and gives its exit code. Only what a subcommand needs is loaded for it. */
export const swarmExecCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.suspend(() => {
    const [first, ...rest] = argv
    // The original's rule for --help, which knows nothing of these.
    const isOurs = ["gc", "cp", "agent", "doctor", "install-plugin", "completion"].includes(first ?? "")
    if (first === undefined || (!isOurs && argv.slice(0, 2).includes("--help"))) return plugin(["--help"])
    switch (first) {
      case "--version":
        return Effect.as(Effect.ignore(writeText(1, `swarm-exec ${version}\n`)), 0)
      case imageCommands.guard:
        return Effect.promise(() => import("../helper/GuardCommand.ts")).pipe(
          Effect.flatMap((_) => _.guardRunCommand(rest[0] ?? ""))
        )
      case imageCommands.removeRuns:
        return Effect.promise(() => import("../helper/RemoveRunsCommand.ts")).pipe(
          Effect.flatMap((_) => _.removeRunsCommand(rest))
        )
      case "agent":
        return Effect.promise(() => import("../agent/AgentCommand.ts")).pipe(
          Effect.flatMap((_) => _.agentCommand(rest))
        )
      case "task-exec":
        return Effect.promise(() => import("../cli/TaskExecCommand.ts")).pipe(
          Effect.flatMap((_) => _.taskExecCommand("swarm-exec task-exec", rest))
        )
      case "exec":
        return Effect.promise(() => import("./ContainerExecCommand.ts")).pipe(
          Effect.flatMap((_) => _.containerExecCommand(rest))
        )
      case "cp":
        return Effect.promise(() => import("../cp/CpCommand.ts")).pipe(Effect.flatMap((_) => _.cpCommand(rest)))
      case "completion":
        return Effect.promise(() => import("../cli/Completion.ts")).pipe(
          Effect.flatMap((_) => _.completionCommand(rest))
        )
      case "install-plugin":
        return Effect.promise(() => import("../docker/InstallPlugin.ts")).pipe(
          Effect.flatMap((_) => _.installPluginCommand(ownFile(), rest))
        )
      case "doctor":
        return Effect.promise(() => import("../doctor/DoctorCommand.ts")).pipe(
          Effect.flatMap((_) => _.doctorCommand(rest))
        )
      case "gc":
        return Effect.promise(() => import("./GcCommand.ts")).pipe(Effect.flatMap((_) => _.gcCommand(rest)))
      default:
        return plugin(argv)
    }
  })

const plugin = (argv: ReadonlyArray<string>) =>
  Effect.promise(() => import("./PluginCommand.ts")).pipe(Effect.flatMap((_) => _.pluginCommand(argv)))
