/** `swarm-exec install-plugin`: puts this program where the docker CLI looks for its plugins. */
import { randomBytes } from "node:crypto"
import { chmod, copyFile, mkdir, realpath, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { configFolder } from "../../src/engine/DockerConfig.ts"
import { exitCodes } from "../command/ExitCode.ts"
import { writeText } from "../Output.ts"
import { pluginFile, pluginName } from "./PluginName.ts"

/** The text that `--help` prints. */
export const help = `Usage: swarm-exec install-plugin

Copy this program into the folder of the docker client's plugins, so that
"docker ${pluginName} TARGET COMMAND" does what task-exec does. The folder is
cli-plugins in DOCKER_CONFIG, or in ~/.docker.
`

/** It could not be put there. */
class NotInstalled extends Schema.TaggedError<NotInstalled>()("NotInstalled", {
  file: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `could not write ${this.file}: ${this.reason}`
  }
}

/** Runs the command line, and gives the exit code. `program`: the file that is running. */
export const installPluginCommand = (program: string, argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const say = (fd: number, text: string, code: number) => Effect.as(Effect.ignore(writeText(fd, text)), code)
  if (argv.includes("--help") || argv.includes("-h")) return say(1, help, 0)
  if (argv.length > 0)
    return say(2, `swarm-exec install-plugin: ${argv[0]} is not known (see --help)\n`, exitCodes.usage)
  return install(program).pipe(
    Effect.flatMap((file) => say(1, `${file} is installed: docker ${pluginName} --help\n`, 0)),
    Effect.catch((error) => say(2, `swarm-exec install-plugin: ${error.message}\n`, exitCodes.failed))
  )
}

const install = Effect.fnUntraced(function* (program: string) {
  const folder = join(yield* configFolder, "cli-plugins")
  const file = join(folder, pluginFile)
  // A process that runs the old file goes on with it.
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
    catch: (error) => new NotInstalled({ file, reason: error instanceof Error ? error.message : String(error) })
  })
  return file
})
