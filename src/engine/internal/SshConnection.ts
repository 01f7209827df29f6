/** Connects to an engine on another machine through `ssh` and `docker system dial-stdio`, as the docker CLI does. */
import type * as ChildProcess from "node:child_process"
import { Socket } from "node:net"
import { Duplex } from "node:stream"

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

/**
 * The arguments of `ssh`, as the docker CLI passes them (docker/cli, `cli/connhelper/ssh`). `dial-stdio` connects its stdin and stdout to
 * the engine's socket on the other machine. `ServerAlive…` ends ssh after 15 seconds if the connection is dead.
 */
export const sshArguments = (target: SshTarget): ReadonlyArray<string> => [
  "-o",
  "ConnectTimeout=15",
  "-o",
  "ServerAliveInterval=5",
  "-o",
  "ServerAliveCountMax=3",
  "-T",
  ...(target.user === undefined ? [] : ["-l", target.user]),
  ...(target.port === undefined ? [] : ["-p", String(target.port)]),
  "--",
  target.host,
  "docker",
  ...(target.path === undefined ? [] : ["--host", quote(`unix://${target.path}`)]),
  "system",
  "dial-stdio"
]

/** Quotes a word, because ssh joins its arguments to one line for the remote shell. */
const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** The most characters of stderr to keep. */
const kept = 4096

/** Milliseconds to wait for the rest of stderr after ssh has ended. A background master process of ssh may hold it open forever. */
const lastLine = 500

/**
 * A connection to an engine through `ssh`, as a Duplex that can be half-closed: after its end, dial-stdio's stdin ends, and the engine's
 * output still arrives.
 *
 * It has the methods of a `net.Socket` that `http.Agent` calls on a connection.
 */
export class SshConnection extends Duplex {
  readonly #child: ChildProcess.ChildProcessWithoutNullStreams
  #stderr = ""
  #outputEnded = false
  #stderrEnded = false
  /** The number of received bytes, as in `net.Socket`. */
  bytesRead = 0
  #exit: { readonly code: number | null; readonly signal: string | null } | undefined

  constructor(spawn: typeof ChildProcess.spawn, target: SshTarget) {
    super({ allowHalfOpen: true })
    // A process group of its own: Ctrl-C must not end ssh, because the connection is needed to clean up.
    const child = spawn("ssh", sshArguments(target), { stdio: "pipe", detached: true })
    this.#child = child
    child.once("error", (error) => this.destroy(new SshFailure(`cannot run ssh: ${error.message}`, { cause: error })))
    child.stdout.on("data", (chunk: Uint8Array) => {
      this.bytesRead += chunk.length
      if (!this.push(chunk)) child.stdout.pause()
    })
    child.stdout.once("end", () => {
      this.#outputEnded = true
      this.#conclude()
    })
    child.stderr.setEncoding("utf8")
    child.stderr.on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-kept)
    })
    const stderrEnded = () => {
      this.#stderrEnded = true
      this.#conclude()
    }
    child.stderr.once("end", stderrEnded)
    // The exit of ssh explains a broken pipe.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", () => {})
    child.once("exit", (code, signal) => {
      this.#exit = { code, signal }
      setTimeout(stderrEnded, lastLine).unref()
      this.#conclude()
    })
  }

  /** Ends the output if ssh has exited with 0. Otherwise the connection is broken, which stdout alone does not show. */
  #conclude(): void {
    const exit = this.#exit
    if (exit === undefined || !this.#outputEnded) return
    if (exit.code === 0) {
      if (!this.readableEnded && !this.destroyed) this.push(null)
      return
    }
    if (!this.#stderrEnded) return
    const lines = this.#stderr
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== "")
    const how = exit.signal === null ? `ssh ended with exit code ${exit.code}` : `ssh was killed by ${exit.signal}`
    const code = this.bytesRead > 0 ? "SSH_LOST" : "SSH_FAILED"
    this.destroy(new SshFailure(lines.length === 0 ? how : lines.slice(-2).join("; "), { code }))
  }

  override _read(): void {
    this.#child.stdout.resume()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#child.stdin.write(chunk, (error) => {
      if (error == null || this.readableEnded) return done(error)
      // Reporting the error destroys this stream with its unread output, so the output is read first. If ssh has failed, its exit destroys
      // the stream with the reason.
      this.once("end", () => done(error))
    })
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child.stdin.destroy()
    this.#child.stdout.destroy()
    this.#child.stderr.destroy()
    if (this.#exit === undefined) this.#child.kill()
    done(error)
  }

  setKeepAlive(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setTimeout(): this {
    return this
  }
  /** Lets the process end while the connection is idle. */
  unref(): this {
    this.#child.unref()
    for (const stream of this.#child.stdio) if (stream instanceof Socket) stream.unref()
    return this
  }
  ref(): this {
    this.#child.ref()
    for (const stream of this.#child.stdio) if (stream instanceof Socket) stream.ref()
    return this
  }
}
