import * as Effect from "effect/Effect"
import { guardCommand } from "../../src/executor/GuardProtocol.ts"
import { isDockerPlugin } from "../docker/PluginName.ts"
import { runMain } from "../RunMain.ts"
import { swarmExecCommand } from "./SwarmExecCommand.ts"

const [, program, ...argv] = process.argv
// A guard of a run is this program again, under whatever name.
runMain(
  isDockerPlugin(program) && argv[0] !== guardCommand
    ? Effect.promise(() => import("../docker/DockerPlugin.ts")).pipe(Effect.flatMap((_) => _.dockerPlugin(argv)))
    : swarmExecCommand(argv)
)
