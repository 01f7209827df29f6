/** Connects to an engine on another machine through `ssh` and `docker system dial-stdio`, as the docker CLI does. */
import type * as ChildProcess from "node:child_process"
import { Socket } from "node:net"
import { Duplex } from "node:stream"
import { exitOf, lastLine, type SshExit, SshFailure, type SshTarget, sshArguments } from "./SshCommand.ts"
import type { SharedSsh, SshSharing } from "./SshSharing.ts"

/**
 * A connection to an engine through `ssh`, as a Duplex that can be half-closed: after its end, dial-stdio's stdin ends, and the engine's
 * output still arrives.
 *
 * It has the methods of a `net.Socket` that `http.Agent` calls on a connection.
 */
export class SshConnection extends Duplex {
  readonly #spawn: typeof ChildProcess.spawn
  readonly #target: SshTarget
  readonly #sharing: SshSharing
  #child: ChildProcess.ChildProcessWithoutNullStreams | undefined
  #outputEnded = false
  /** The number of received bytes, as in `net.Socket`. */
  bytesRead = 0
  #exit: SshExit | undefined

  constructor(spawn: typeof ChildProcess.spawn, target: SshTarget, sharing: SshSharing) {
    super({ allowHalfOpen: true })
    this.#spawn = spawn
    this.#target = target
    this.#sharing = sharing
  }

  override _construct(done: (error?: Error | null) => void): void {
    this.#sharing
      .join()
      .then((shared) => {
        if (this.destroyed) shared?.leave()
        else this.#start(shared)
      })
      .then(() => done(), done)
  }

  #start(shared: SharedSsh | undefined): void {
    // A process group of its own: Ctrl-C must not end ssh, because the connection is needed to clean up.
    const child = this.#spawn("ssh", sshArguments(this.#target, shared?.args), { stdio: "pipe", detached: true })
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
    // The exit of ssh explains a broken pipe.
    for (const stream of [child.stdin, child.stdout]) stream.on("error", () => {})
    child.once("exit", () => shared?.leave())
    exitOf(child, child.stderr)
      .then((exit) => explain(exit, shared))
      .then((exit) => {
        this.#exit = exit
        this.#conclude()
      })
  }

  /** Ends the output if ssh has exited with 0. Otherwise the connection is broken, which stdout alone does not show. */
  #conclude(): void {
    const exit = this.#exit
    if (exit === undefined || !this.#outputEnded) return
    if (exit.code !== 0) {
      const code = this.bytesRead > 0 ? "SSH_LOST" : "SSH_FAILED"
      this.destroy(new SshFailure(exit.said ?? exit.how, { code }))
    } else if (!this.readableEnded && !this.destroyed) this.push(null)
  }

  override _read(): void {
    this.#child?.stdout.resume()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#child?.stdin.write(chunk, (error) => {
      if (error == null || this.readableEnded) return done(error)
      // Reporting the error destroys this stream with its unread output, so the output is read first. If ssh has failed, its exit destroys
      // the stream with the reason.
      this.once("end", () => done(error))
    })
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child?.stdin.end(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child?.stdin.destroy()
    this.#child?.stdout.destroy()
    this.#child?.stderr.destroy()
    if (this.#exit === undefined) this.#child?.kill()
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
    this.#child?.unref()
    for (const stream of this.#child?.stdio ?? []) if (stream instanceof Socket) stream.unref()
    return this
  }
  ref(): this {
    this.#child?.ref()
    for (const stream of this.#child?.stdio ?? []) if (stream instanceof Socket) stream.ref()
    return this
  }
}

/** Adds the reason why a shared connection was lost: an ssh that uses it fails without a message. */
const explain = async (exit: SshExit, shared: SharedSsh | undefined): Promise<SshExit> => {
  if (exit.code === 0 || exit.said !== undefined || shared === undefined) return exit
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 2 * lastLine).unref())
  return { ...exit, said: (await Promise.race([shared.ended, late]))?.said }
}
