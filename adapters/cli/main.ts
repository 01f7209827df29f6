import * as Effect from "effect/Effect"
import { imageCommands } from "../../src/ImageCommands.ts"
import { isDockerPlugin } from "../docker/PluginName.ts"
import { runMain } from "../RunMain.ts"
import { taskExecCommand } from "./TaskExecCommand.ts"

const [, file = "", ...argv] = process.argv
const [first, ...rest] = argv
// The guards of runs are this program, too.
switch (first) {
  case imageCommands.guard:
    runMain(
      Effect.promise(() => import("../helper/GuardCommand.ts")).pipe(Effect.flatMap((_) => _.guardRunCommand(rest)))
    )
    break
  case imageCommands.removeRuns:
    runMain(
      Effect.promise(() => import("../helper/RemoveRunsCommand.ts")).pipe(
        Effect.flatMap((_) => _.removeRunsCommand(rest))
      )
    )
    break
  default:
    runMain(
      isDockerPlugin(file)
        ? Effect.promise(() => import("./DockerPlugin.ts")).pipe(Effect.flatMap((_) => _.dockerPlugin(argv)))
        : taskExecCommand("task-exec", argv),
      "task-exec"
    )
}
