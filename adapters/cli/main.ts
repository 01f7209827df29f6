import * as Effect from "effect/Effect"
import { guardCommand } from "../../src/executor/GuardProtocol.ts"
import { runMain } from "../RunMain.ts"
import { taskExecCommand } from "./TaskExecCommand.ts"

const [, , ...argv] = process.argv
const [first, request = ""] = argv
// A guard of a run is this program again.
runMain(
  first === guardCommand
    ? Effect.promise(() => import("../helper/GuardCommand.ts")).pipe(Effect.flatMap((_) => _.guardRunCommand(request)))
    : taskExecCommand("task-exec", argv)
)
