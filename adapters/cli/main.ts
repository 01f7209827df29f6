import { guardCommand } from "../../src/executor/GuardProtocol.ts"
import { guardRunCommand } from "../helper/GuardCommand.ts"
import { runMain } from "../RunMain.ts"
import { taskExecCommand } from "./TaskExecCommand.ts"

const [, , first, ...rest] = process.argv
// A guard of a run is this program again.
runMain(first === guardCommand ? guardRunCommand(rest[0] ?? "") : taskExecCommand("task-exec", process.argv.slice(2)))
