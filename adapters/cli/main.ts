import { runMain } from "../RunMain.ts"
import { taskExecCommand } from "./TaskExecCommand.ts"

runMain(taskExecCommand("task-exec", process.argv.slice(2)))
