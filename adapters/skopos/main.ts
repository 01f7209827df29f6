import { basename } from "node:path"
import * as Effect from "effect/Effect"
import { imageCommands } from "../../src/ImageCommands.ts"
import { isDockerPlugin } from "../docker/PluginName.ts"
import { runMain } from "../RunMain.ts"
import { swarmExecCommand } from "./SwarmExecCommand.ts"

const [, program = "", ...argv] = process.argv

const isGuard = argv[0] === imageCommands.guard || argv[0] === imageCommands.removeRuns

/** Only a file whose name starts with this is the Skopos plugin: `swarm-exec`, `swarm-exec.cjs`. With any other name it is `task-exec`. */
const pluginPrefix = "swarm-exec"
const isPlugin = basename(program).startsWith(pluginPrefix)

const chosen = (): Effect.Effect<number> => {
  // The guards of runs are this file, too, under any name.
  if (isGuard || isPlugin) return swarmExecCommand(argv)
  if (isDockerPlugin(program)) {
    return Effect.promise(() => import("../cli/DockerPlugin.ts")).pipe(Effect.flatMap((_) => _.dockerPlugin(argv)))
  }
  return Effect.promise(() => import("../cli/TaskExecCommand.ts")).pipe(
    Effect.flatMap((_) => _.taskExecCommand("task-exec", argv))
  )
}

runMain(chosen(), isGuard ? undefined : isPlugin ? pluginPrefix : "task-exec")
