/**
 * `docker taskexec`: `task-exec` as a plugin of the docker CLI. Docker finds it by its file's name, calls it with
 * `docker-cli-plugin-metadata`, and passes its whole command line, with docker's own flags first (docker/cli, `cli-plugins`).
 */
import { connect } from "node:net"
import { type ParseArgsOptionsConfig, parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { version } from "../../src/Version.ts"
import { pluginName } from "../docker/PluginName.ts"
import { writeText } from "../Output.ts"
import { taskExecCommand } from "./TaskExecCommand.ts"

const metadata = {
  SchemaVersion: "0.1.0",
  Vendor: "task-exec",
  Version: version,
  ShortDescription: "Run a command in the container of a Swarm task, on any node"
}

/** Docker's own flags. */
const options = {
  config: { type: "string" },
  context: { type: "string", short: "c" },
  debug: { type: "boolean", short: "D" },
  host: { type: "string", short: "H", multiple: true },
  "log-level": { type: "string", short: "l" },
  tls: { type: "boolean" },
  tlscacert: { type: "string" },
  tlscert: { type: "string" },
  tlskey: { type: "string" },
  tlsverify: { type: "boolean" }
} satisfies ParseArgsOptionsConfig

/** A command line of docker, as a command line of `task-exec`. */
export interface PluginCall {
  /** The command line of `task-exec`. */
  readonly argv: ReadonlyArray<string>
  /** Docker's configuration directory, if it differs from the environment's. */
  readonly config: string | undefined
  /** A flag of docker that task-exec does not support. */
  readonly unsupported: string | undefined
}

/**
 * Converts docker's command line: docker's flags, `taskexec`, and the words for `task-exec`. `docker help taskexec cp` becomes `help cp`.
 */
export const readPluginCall = (argv: ReadonlyArray<string>): PluginCall => {
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true })
  const name = tokens.find((token) => token.kind === "positional")
  // The docker CLI completes a command line with this word.
  if (name?.value === "__complete")
    return { argv: ["__complete", ...argv.slice(name.index + 2)], config: undefined, unsupported: undefined }
  if (name?.value === "help") {
    return { argv: ["help", ...argv.slice(name.index + 2)], config: undefined, unsupported: undefined }
  }
  const at = name?.index ?? argv.length
  const { values } = parseArgs({ args: argv.slice(0, at), options, strict: false })
  const texts = (value: unknown) => [value].flat().filter((one) => typeof one === "string")
  const unsupported = (["tls", "tlscacert", "tlscert", "tlskey", "tlsverify"] as const).find((name) => name in values)
  const hosts = texts(values.host)
  return {
    argv: [
      ...(hosts.length === 0 ? [] : [`--host=${hosts.join(",")}`]),
      ...texts(values.context).map((name) => `--context=${name}`),
      ...(values.debug === true ? ["--debug"] : []),
      ...argv.slice(at + 1)
    ],
    config: texts(values.config)[0],
    unsupported
  }
}

/** Runs docker's command line and returns the exit code. */
export const dockerPlugin = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.suspend(() => {
    const print = (fd: number, text: string, code: number) => Effect.as(Effect.ignore(writeText(fd, text)), code)
    if (argv[0] === "docker-cli-plugin-metadata") return print(1, `${JSON.stringify(metadata)}\n`, 0)
    const call = readPluginCall(argv)
    const program = `docker ${pluginName}`
    if (call.unsupported !== undefined) {
      const instead = "set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or use a context"
      return print(2, `${program}: --${call.unsupported} is not supported: ${instead}\nSee '${program} --help'.\n`, 2)
    }
    // Credential helpers, which are programs of their own, read the variable, too.
    if (call.config !== undefined) process.env.DOCKER_CONFIG = call.config
    endWithDocker(process.env.DOCKER_CLI_PLUGIN_SOCKET)
    return taskExecCommand(program, call.argv)
  })

/** The time within which a signal of the terminal arrives after docker has closed its socket, in milliseconds. */
const grace = 200

/**
 * Ends this process as SIGTERM does when docker has ended, unless the terminal has sent this process a signal, too. Docker 25.0 and newer
 * listens on the socket at `address`, and closes it when docker gets a signal or is killed.
 */
const endWithDocker = (address: string | undefined): void => {
  if (address === undefined || address === "") return
  let signalled = false
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      signalled = true
    })
  }
  const socket = connect({ path: address.replace(/^@/, "\0") })
  const onEnd = () => {
    const timer = setTimeout(() => {
      if (!signalled) process.emit("SIGTERM")
    }, grace)
    timer.unref()
  }
  socket.on("connect", () => socket.on("close", onEnd))
  // Docker may have ended already.
  socket.on("error", () => undefined)
  socket.resume().unref()
}
