/** The entry point of containers that serve a run. It is a separate program, so that a helper loads only half of our code to start. */
import * as Effect from "effect/Effect"
import { imageCommands } from "../../src/ImageCommands.ts"
import { writeStderr } from "../Output.ts"
import { runMain } from "../RunMain.ts"

const [, , word = "", ...operands] = process.argv
const [request = ""] = operands

/** Loads only the code for the first word. */
const serve = (): Effect.Effect<number> => {
  switch (word) {
    case imageCommands.helper:
      return Effect.promise(() => import("./HelperCommand.ts")).pipe(Effect.flatMap((_) => _.helperCommand))
    case imageCommands.relay:
      return Effect.promise(() => import("./RelayCommand.ts")).pipe(Effect.flatMap((_) => _.relayCommand))
    case imageCommands.listener:
      return Effect.promise(() => import("./ListenerCommand.ts")).pipe(Effect.flatMap((_) => _.listenerCommand))
    case imageCommands.forward:
      return Effect.promise(() => import("./ForwardCommand.ts")).pipe(Effect.flatMap((_) => _.forwardCommand(operands)))
    case imageCommands.agent:
      return Effect.promise(() => import("./AgentCommand.ts")).pipe(Effect.flatMap((_) => _.agentServeCommand))
    case imageCommands.kill:
      return Effect.promise(() => import("./KillCommand.ts")).pipe(Effect.flatMap((_) => _.killRunCommand(request)))
    case imageCommands.guard:
      return Effect.promise(() => import("./GuardCommand.ts")).pipe(Effect.flatMap((_) => _.guardRunCommand(operands)))
    case imageCommands.sweepNode:
      return Effect.promise(() => import("./SweepNodeCommand.ts")).pipe(Effect.flatMap((_) => _.sweepNode))
    default:
      return Effect.as(writeStderr(`unknown command of the image: ${word}\n`), 2)
  }
}

runMain(serve())
