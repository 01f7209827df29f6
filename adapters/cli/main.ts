import * as Effect from "effect/Effect"
import { imageCommands } from "../../src/ImageCommands.ts"
import { runMain } from "../RunMain.ts"
import { taskExecCommand } from "./TaskExecCommand.ts"

const [, , ...argv] = process.argv
const [first, request = ""] = argv
// A guard of a run is this program again.
runMain(
  first === imageCommands.guard
    ? Effect.promise(() => import("../helper/GuardCommand.ts")).pipe(Effect.flatMap((_) => _.guardRunCommand(request)))
    : taskExecCommand("task-exec", argv)
)
