import { runMain } from "../RunMain.ts"
import { swarmExecCommand } from "./SwarmExecCommand.ts"

runMain(swarmExecCommand(process.argv.slice(2)))
