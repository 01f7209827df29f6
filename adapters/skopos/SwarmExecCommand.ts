/** The command `swarm-exec`: the Skopos plugin, the subcommands beside it, and the ends of a helper. */
import * as Effect from "effect/Effect"
import { agentCommand as agentServe } from "../../src/agent/AgentProtocol.ts"
import { guardCommand } from "../../src/executor/GuardProtocol.ts"
import { ownFile } from "../../src/executor/OwnProgram.ts"
import { relayCommandName } from "../../src/route/RelayProtocol.ts"
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
      case "helper":
        return Effect.promise(() => import("../helper/HelperCommand.ts")).pipe(Effect.flatMap((_) => _.helperCommand))
      case "kill":
        return Effect.promise(() => import("../helper/KillCommand.ts")).pipe(
          Effect.flatMap((_) => _.killRunCommand(rest[0] ?? ""))
        )
      case relayCommandName:
        return Effect.promise(() => import("../helper/RelayCommand.ts")).pipe(Effect.flatMap((_) => _.relayCommand))
      case guardCommand:
        return Effect.promise(() => import("../helper/GuardCommand.ts")).pipe(
          Effect.flatMap((_) => _.guardRunCommand(rest[0] ?? ""))
        )
      case agentServe:
        return Effect.promise(() => import("../helper/AgentCommand.ts")).pipe(
          Effect.flatMap((_) => _.agentServeCommand)
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
      case "sweep-node":
        return Effect.promise(() => import("../helper/SweepNodeCommand.ts")).pipe(Effect.flatMap((_) => _.sweepNode))
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
