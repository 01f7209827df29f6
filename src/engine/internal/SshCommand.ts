/** The command lines of `ssh`, and how an `ssh` ended. */
import type * as ChildProcess from "node:child_process"
import type { Readable } from "node:stream"

/** The machine on which `docker system dial-stdio` runs. */
export interface SshTarget {
  readonly host: string
  readonly user?: string
  readonly port?: number
  readonly path?: string
}

/**
 * `ssh` failed, or its command on the other machine. The message is the end of its stderr. `SSH_LOST`: bytes had arrived before, so the
 * engine may have acted on the request.
 */
export class SshFailure extends Error {
  readonly code: "SSH_FAILED" | "SSH_LOST"
  constructor(message: string, options: ErrorOptions & { readonly code?: SshFailure["code"] } = {}) {
    super(message, options)
    this.code = options.code ?? "SSH_FAILED"
  }
}

/** The arguments that name the other machine. */
export const sshDestination = ({ host, port, user }: SshTarget): ReadonlyArray<string> => [
  ...(user === undefined ? [] : ["-l", user]),
  ...(port === undefined ? [] : ["-p", String(port)]),
  "--",
  host
]

/** As the docker CLI sets them (docker/cli, `cli/connhelper/ssh`). `ServerAlive…` ends ssh after 15 seconds if the connection is dead. */
export const sshTimeouts: ReadonlyArray<string> = [
  "-o",
  "ConnectTimeout=15",
  "-o",
  "ServerAliveInterval=5",
  "-o",
  "ServerAliveCountMax=3"
]

/**
 * The arguments of `ssh` for one connection to the engine, as the docker CLI passes them, with those of a shared connection. `dial-stdio`
 * connects its stdin and stdout to the engine's socket on the other machine.
 */
export const sshArguments = (target: SshTarget, sharing: ReadonlyArray<string> = []): ReadonlyArray<string> => [
  ...sharing,
  ...sshTimeouts,
  "-T",
  ...sshDestination(target),
  "docker",
  ...(target.path === undefined ? [] : ["--host", quote(`unix://${target.path}`)]),
  "system",
  "dial-stdio"
]

/** Quotes a word, because ssh joins its arguments to one line for the remote shell. */
const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** How an `ssh` ended. */
export interface SshExit {
  /** Null if a signal ended it. */
  readonly code: number | null
  /** The last lines of its stderr, if any. */
  readonly said: string | undefined
  /** Its exit code or signal, in words. */
  readonly how: string
}

/** The most characters of stderr to keep. */
const kept = 4096

/** Milliseconds to wait for the rest of stderr after ssh has ended. A background process of ssh may hold it open forever. */
export const lastLine = 500

/** Resolves when ssh has ended and, if it has failed, its stderr has ended. */
export const exitOf = (child: ChildProcess.ChildProcess, stderr: Readable): Promise<SshExit> =>
  new Promise((resolve) => {
    let text = ""
    stderr.setEncoding("utf8")
    stderr.on("data", (chunk: string) => {
      text = (text + chunk).slice(-kept)
    })
    // The exit of ssh explains a broken pipe.
    stderr.on("error", () => {})
    child.once("exit", (code, signal) => {
      const conclude = () => {
        const lines = text
          .split(/\r?\n/)
          .map((line) => line.trim())
          .filter((line) => line !== "")
        const how = signal === null ? `ssh ended with exit code ${code}` : `ssh was killed by ${signal}`
        resolve({ code, said: lines.length === 0 ? undefined : lines.slice(-2).join("; "), how })
      }
      if (code === 0 || stderr.readableEnded) return conclude()
      stderr.once("end", conclude)
      setTimeout(conclude, lastLine).unref()
    })
  })
