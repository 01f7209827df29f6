import { basename } from "node:path"
import * as Effect from "effect/Effect"
import { imageCommands } from "../../src/ImageCommands.ts"
import { isDockerPlugin } from "../docker/PluginName.ts"
import { runMain } from "../RunMain.ts"
import { swarmExecCommand } from "./SwarmExecCommand.ts"

const [, program = "", ...argv] = process.argv

const isGuard = argv[0] === imageCommands.guard || argv[0] === imageCommands.removeRuns

/** What is meant by the name that this program is started by. */
const byName = (): Effect.Effect<number> => {
  // The guards of a run are this program again, under whatever name.
  if (isGuard) return swarmExecCommand(argv)
  if (isDockerPlugin(program)) {
    return Effect.promise(() => import("../cli/DockerPlugin.ts")).pipe(Effect.flatMap((_) => _.dockerPlugin(argv)))
  }
  if (basename(program) === "task-exec") {
    return Effect.promise(() => import("../cli/TaskExecCommand.ts")).pipe(
      Effect.flatMap((_) => _.taskExecCommand("task-exec", argv))
    )
  }
  return swarmExecCommand(argv)
}

const nameInMessages = basename(program) === "task-exec" ? "task-exec" : "swarm-exec"

runMain(byName(), isGuard ? undefined : nameInMessages)
