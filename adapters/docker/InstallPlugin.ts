/** `task-exec install-plugin`: copies this program to where the docker CLI looks for plugins. */
import { randomBytes } from "node:crypto"
import { chmod, copyFile, mkdir, realpath, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { configFolder } from "../../src/engine/DockerConfig.ts"
import { reasonOf } from "../../src/engine/Hints.ts"
import { helpFlag } from "../command/CommonFlags.ts"
import type { Flags } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { noOperands, runPlain } from "../command/Subcommand.ts"
import { writeText } from "../Output.ts"
import { pluginFile, pluginName } from "./PluginName.ts"

const flags = { ...helpFlag } as const satisfies Flags

/** The help of the verb. */
export const help: CommandHelp = {
  usage: [""],
  about: [
    `Install task-exec as a docker CLI plugin: docker ${pluginName} is then the same command. The plugin is a copy of this program in the directory cli-plugins of DOCKER_CONFIG, or of ~/.docker.`
  ],
  flags,
  after: [],
  examples: [{ term: "task-exec install-plugin && docker taskexec --help", about: "Install the plugin" }]
}

/** The plugin cannot be written. */
class NotInstalled extends Schema.TaggedError<NotInstalled>()("NotInstalled", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `cannot write ${this.file}: ${this.reason}`
  }
}

/** Runs a command line and returns its exit code. `file` is the running program. */
export const installPluginCommand = (
  program: string,
  file: string,
  argv: ReadonlyArray<string>
): Effect.Effect<number> =>
  runPlain({ program, name: "install-plugin", help, flags, argv }, (operands) =>
    noOperands(operands).pipe(
      Effect.andThen(install(file)),
      Effect.flatMap((installed) =>
        Effect.ignore(writeText(1, `Installed ${installed}. Try: docker ${pluginName} --help\n`))
      )
    )
  )

const install = Effect.fnUntraced(function* (program: string) {
  const folder = join(yield* configFolder, "cli-plugins")
  const file = join(folder, pluginFile)
  // Processes that run the old file keep it.
  const next = join(folder, `.${pluginFile}.${randomBytes(4).toString("hex")}`)
  yield* Effect.tryPromise({
    try: async () => {
      await mkdir(folder, { recursive: true })
      try {
        await copyFile(await realpath(program), next)
        await chmod(next, 0o755)
        await rename(next, file)
      } catch (error) {
        await rm(next, { force: true })
        throw error
      }
    },
    catch: (error) => new NotInstalled({ file, reason: reasonOf(error) })
  })
  return file
})
