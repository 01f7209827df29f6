/**
 * Shares an SSH connection among the connections to an engine, with OpenSSH's connection sharing (ssh_config(5), `ControlMaster`). Without
 * it, each of them makes an SSH connection, whose handshake takes longer than most requests.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { existsSync, type FSWatcher, watch } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { exitOf, type SshExit, SshFailure, type SshTarget, sshDestination, sshTimeouts } from "./SshCommand.ts"

/** A place on a shared connection. */
export interface SharedSsh {
  /** The arguments with which `ssh` uses the connection. */
  readonly args: ReadonlyArray<string>
  /** Resolves when the connection has ended, with the reason. */
  readonly ended: Promise<SshExit>
  /** Frees the place. */
  readonly leave: () => void
}

/** The shared connections to one machine. */
export interface SshSharing {
  /**
   * Takes a place on a shared connection, and opens the connection if necessary. Returns `undefined` if connections can't be shared.
   * Rejects with `SshFailure` if there is no connection.
   */
  readonly join: () => Promise<SharedSsh | undefined>
}

/** The users of one connection: sshd's default of `MaxSessions`. A further session is refused, and its ssh then connects by itself. */
const maxUsers = 10

/** Milliseconds within which `ssh` must print its configuration, which takes 7. */
const configurationTimeout = 5000

/** Milliseconds within which `ssh` must end the shared connection before it is killed. */
const endTimeout = 5000

/** The name of the socket in its folder. */
const socketName = "ssh"

/**
 * The paths of sockets that all systems and `ssh` accept: at most 103 bytes, with the 17 that `ssh` appends for a temporary name. `%`, `$` and
 * spaces have a meaning in its configuration.
 */
const usablePath = /^[\w./-]{1,86}$/

/**
 * Becomes `ssh`, with a watcher that ends it when the caller has ended: then file descriptor 3 is at its end. A line there tells the watcher
 * that `ssh` has ended. The watcher removes the socket's folder, which is the script's name.
 */
const script = `{ read -r ended <&3 || kill $$; rm -rf "$0"; } >/dev/null 2>&1 & exec ssh "$@" 3<&-`

/** Returns whether the user's own configuration shares connections, or is unknown: versions before 6.8 (2015) do not print it. */
const hasOwnSharing = (target: SshTarget): Promise<boolean> =>
  new Promise((resolve) => {
    const args = ["-G", ...sshDestination(target)]
    const child = execFile("ssh", args, { timeout: configurationTimeout }, (error, stdout) =>
      resolve(error !== null || !/^hostname /m.test(stdout) || /^controlpath (?!none$)/m.test(stdout))
    )
    child.stdin?.destroy()
  })

/** The `ssh` that holds the connection. The others use it through a socket. */
class SshMaster {
  readonly args: ReadonlyArray<string>
  readonly ended: Promise<SshExit>
  /** Resolves at its exit, before `ended`. */
  readonly exited: Promise<void>
  /** Resolves when the socket accepts others, or with false if it can't be made. Rejects if ssh failed to connect. */
  readonly ready: Promise<boolean>
  readonly #child: ChildProcess
  /** The pipe that ties ssh to this process. */
  readonly #life: Socket
  readonly #removed: Promise<void>

  /** `changes`: those in the socket's folder. Throws if no process can be started. */
  constructor(target: SshTarget, folder: string, changes: FSWatcher) {
    const socket = join(folder, socketName)
    this.args = ["-o", "ControlMaster=no", "-o", `ControlPath=${socket}`]
    const sharing = ["-o", "ControlMaster=yes", "-o", `ControlPath=${socket}`, "-o", "ControlPersist=no"]
    // A process group of its own: Ctrl-C must not end ssh, because the connection is needed to clean up.
    const child = spawn(
      "/bin/sh",
      ["-c", script, folder, "-N", ...sharing, ...sshTimeouts, ...sshDestination(target)],
      {
        stdio: ["ignore", "ignore", "pipe", "pipe"],
        detached: true
      }
    )
    const [, , stderr, life] = child.stdio
    child.on("error", () => {})
    if (child.pid === undefined || !(stderr instanceof Socket) || !(life instanceof Socket))
      throw new Error("cannot start /bin/sh")
    this.#child = child
    this.#life = life
    this.ended = exitOf(child, stderr)
    this.#removed = new Promise((resolve) => life.once("close", () => resolve()))
    // Without a reader, the end of the pipe is not noticed. A write fails after that end.
    life.on("error", () => {}).resume()
    this.exited = new Promise((resolve) => {
      child.once("exit", () => {
        if (!life.writableEnded) life.end("\n")
        resolve()
      })
    })
    this.ready = new Promise<boolean>((resolve, reject) => {
      changes.on("change", () => {
        if (existsSync(socket)) resolve(true)
      })
      changes.once("error", () => resolve(false))
      this.ended.then(({ how, said }) => {
        if (said?.includes(folder)) resolve(false)
        else reject(new SshFailure(said ?? how))
      })
    }).finally(() => {
      changes.close()
      // An idle connection does not keep the process running.
      for (const handle of [child, stderr, life]) handle.unref()
    })
    // Those who join handle the failure. There may be none yet.
    this.ready.catch(() => {})
  }

  /** Ends ssh. Resolves when its socket is removed. */
  async close(): Promise<void> {
    this.#child.ref()
    this.#life.ref()
    if (!this.#life.writableEnded) this.#life.end()
    const kill = setTimeout(() => this.#child.kill("SIGKILL"), endTimeout)
    await this.ended
    clearTimeout(kill)
    await this.#removed
  }
}

/** A connection, and the number of its users. */
interface Connection {
  readonly master: Promise<SshMaster | undefined>
  users: number
}

class Sharing implements SshSharing {
  readonly #target: SshTarget
  readonly #connections = new Set<Connection>()
  #isShareable: Promise<boolean> | undefined
  #isClosed = false

  constructor(target: SshTarget) {
    this.#target = target
  }

  async join(): Promise<SharedSsh | undefined> {
    this.#isShareable ??= hasOwnSharing(this.#target).then((own) => !own)
    if (!(await this.#isShareable)) return undefined
    const connection = [...this.#connections].find(({ users }) => users < maxUsers) ?? this.#add()
    connection.users++
    const leave = () => {
      connection.users--
    }
    try {
      const master = await connection.master
      if (master !== undefined && (await master.ready)) return { args: master.args, ended: master.ended, leave }
    } catch (error) {
      leave()
      throw error
    }
    this.#isShareable = Promise.resolve(false)
    return undefined
  }

  #add(): Connection {
    // One after the other: sshd refuses some of many handshakes at the same time (MaxStartups).
    const previous = [...this.#connections].at(-1)?.master.then((master) => master?.ready)
    const connection: Connection = {
      master: Promise.resolve(previous).then(
        () => this.#open(),
        () => this.#open()
      ),
      users: 0
    }
    this.#connections.add(connection)
    // The next user of a lost connection opens another one.
    const forget = () => {
      this.#connections.delete(connection)
    }
    connection.master.then((master) => master?.exited).then(forget, forget)
    return connection
  }

  async #open(): Promise<SshMaster | undefined> {
    const folder = await mkdtemp(join(tmpdir(), "task-exec-ssh-")).catch(() => undefined)
    if (folder === undefined) return undefined
    const master = this.#isClosed ? undefined : startMaster(this.#target, folder)
    if (master === undefined) await rm(folder, { recursive: true })
    return master
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#connections].map(async ({ master }) => (await master)?.close()))
  }
}

/** Starts the master. Returns `undefined` if the socket's path is not usable, or the system has no room for a watch or a process. */
const startMaster = (target: SshTarget, folder: string): SshMaster | undefined => {
  if (!usablePath.test(join(folder, socketName))) return undefined
  let changes: FSWatcher | undefined
  try {
    changes = watch(folder)
    return new SshMaster(target, folder, changes)
  } catch {
    changes?.close()
    return undefined
  }
}

/** Makes the sharing for one engine. It connects on first use, and its connections close with the scope. */
export const openSshSharing = (target: SshTarget): Effect.Effect<SshSharing, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Sharing(target)),
    (sharing) => Effect.promise(() => sharing.close())
  )
