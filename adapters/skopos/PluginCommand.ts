/** The plugin protocol of Skopos: input is the name of an action and a JSON object, output a JSON object and exit code 0 or 2. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Channel, openChannels } from "../command/Channel.ts"
import { renderHelp } from "../command/Help.ts"
import { writeStderr } from "../Output.ts"
import { printableJson } from "../Printable.ts"
import { layOutJson } from "./JsonText.ts"
import { help, type PluginArgs, parsePluginArgs, pluginHelp } from "./PluginArgs.ts"
import { ignoreInput, readInput } from "./PluginInput.ts"

/** The action does not exist. */
export class UnknownAction extends Schema.TaggedError<UnknownAction>()("UnknownAction", { action: Schema.String }) {
  override get message(): string {
    return `Plugin swarm-exec does not support action ${this.action}`
  }
}

/** The exit code of every error. */
const failed = 2

/** Runs one action and returns the exit code. */
export const pluginCommand = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  parsePluginArgs(argv).pipe(
    Effect.flatMap((args) =>
      args === help ? Effect.as(writeStderr(renderHelp("swarm-exec", "", pluginHelp)), failed) : inChannels(args)
    ),
    Effect.catch((error) => Effect.as(writeStderr(`${oneLine(error.message)}\n`), failed))
  )

const inChannels = Effect.fnUntraced(function* (args: PluginArgs) {
  const { stderr, stdout } = yield* openChannels(args)
  return yield* perform(args, stderr).pipe(
    Effect.flatMap((json) => stdout.line(printableJson(layOutJson(json, args.compact ? 0 : 2)))),
    Effect.as(0),
    Effect.catch((error) => {
      const text = oneLine(error.message)
      return stderr.line(text).pipe(
        Effect.catch(() => writeStderr(`${text}\n`)),
        Effect.as(failed)
      )
    })
  )
}, Effect.scoped)

/** Returns the JSON text of the action's result. */
const perform = Effect.fnUntraced(function* ({ action, debug, json }: PluginArgs, stderr: Channel) {
  switch (action) {
    case "inst_exec": {
      const input = yield* readInput(json)
      const { instExec } = yield* Effect.promise(() => import("./InstExec.ts"))
      const { logTo } = yield* Effect.promise(() => import("../command/Logging.ts"))
      yield* instExec(input.value, stderr).pipe(Effect.provide(logTo(stderr, debug)))
      return input.text
    }
    case "preflight":
    case "postflight":
      if (json === undefined) yield* ignoreInput
      return "{}"
    default:
      return yield* new UnknownAction({ action })
  }
})

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, " ")
